// The system calls, each as thin as it can be: the only place where the core meets the kernel.
//
// Two implementations of this contract exist: sys_linux.cc, and the faulty one of the tests, which
// fails the Nth call. Results are the kernel's: >= 0, or -errno. errno itself is never touched.
// Everything here is thread-safe and async-signal-safe, but for sbrk.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ashlar::os::sys {

inline constexpr intptr_t kNoMemory = -12;  // -ENOMEM
inline constexpr intptr_t kInvalid = -22;   // -EINVAL
inline constexpr intptr_t kAgain = -11;     // -EAGAIN

// True for a result that is an error; addresses are never in the last page.
constexpr bool failed(intptr_t result) {
  return static_cast<uintptr_t>(result) > static_cast<uintptr_t>(-4096L);
}

intptr_t mmap(void* hint, size_t size, int protection, int flags);  // anonymous only
intptr_t munmap(void* start, size_t size);
intptr_t mprotect(void* start, size_t size, int protection);
intptr_t madvise(void* start, size_t size, int advice);
intptr_t mremap(void* start, size_t old_size, size_t new_size, int flags);
intptr_t mincore(void* start, size_t size, unsigned char* vector);

// libc's sbrk: it keeps a copy of the break that a system call of our own would make stale.
// -errno, or the previous break. Not thread-safe against other callers of sbrk in the process.
intptr_t sbrk(intptr_t increment);

intptr_t open_read_only(const char* path);
intptr_t read(int fd, void* buffer, size_t size);
intptr_t write(int fd, const void* buffer, size_t size);
intptr_t close(int fd);
bool is_pipe(int fd);

int process_id();

intptr_t membarrier(int command);
intptr_t futex(uint32_t* word, int operation, uint32_t value);
// Ends the process at once: nothing of libc's runs, no handler and no destructor.
[[noreturn]] void exit(int status);
void yield();
void sleep_ns(uint64_t nanoseconds);

// The process's soft limits, in bytes.
inline constexpr int kLimitData = 2;          // RLIMIT_DATA: private memory that may be written
inline constexpr int kLimitLocked = 8;        // RLIMIT_MEMLOCK: what mlock and mlockall lock
inline constexpr int kLimitAddressSpace = 9;  // RLIMIT_AS: all mappings, reserved ones too
inline constexpr uint64_t kNoLimit = UINT64_MAX;
intptr_t limit(int resource, uint64_t* soft);

// The kernel's page size as the auxiliary vector says, in bytes; 0 if it doesn't.
size_t page_size();

uint64_t monotonic_ns();

}  // namespace ashlar::os::sys
