// What the core wants to know of the system it runs on, and of the thread it runs in.
//
// Reads /proc and /sys through sys.h into stack buffers; allocates nothing, keeps no file open.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C"
    __attribute__((weak)) char __libc_single_threaded;  // NOLINT(readability-identifier-naming): libc's

namespace ashlar::os {

// The kernel's page size in bytes (4, 16 or 64 KiB), read once from the auxiliary vector.
size_t page_size();

// RAM, or the memory limit of the process's cgroup or one that it lies in, where that is lower; bytes. RAM
// that can't be read counts as 4 GiB.
size_t memory_size();

// The process's RSS in bytes by /proc/self/statm, exact to what the kernel has accounted; 0 when unreadable.
size_t resident_size();

// A value that differs between any two live threads and survives fork: the address of a byte of
// thread-local storage. Never 0.
uintptr_t thread_token();

// True while the process has never had a second thread; false where libc doesn't tell (< 2.32).
inline bool single_threaded() { return &__libc_single_threaded != nullptr && __libc_single_threaded != 0; }

// False before libc's own start, when ifunc resolvers of the program may allocate already.
bool libc_started();

// Reads a small file whole into buffer (size - 1 bytes at most, null-terminated). Bytes read, 0 on failure.
// Only for files of /proc and /sys that the kernel writes in one piece: there is one read.
size_t read_small_file(const char* path, char* buffer, size_t size);

}  // namespace ashlar::os
