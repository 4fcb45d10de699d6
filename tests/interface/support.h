// What the interface tests share: values the compiler can't see through, functions looked up by name,
// and the reading of this process's memory. The tests are not linked to Ashlar: it is preloaded.
#ifndef ASHLAR_TESTS_INTERFACE_SUPPORT_H
#define ASHLAR_TESTS_INTERFACE_SUPPORT_H

#include <ashlar/ashlar.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "support/emulator.h"

namespace interface_test {

using ashlar::test::kEmulated;
using ashlar::test::kThreadsInForkedChildren;

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;
constexpr size_t kGiB = 1024 * kMiB;

// The value itself, about which the compiler knows nothing from here on: neither that it is a constant
// (and the size too large) nor that it is a pointer already freed.
template <typename T>
inline T opaque(T value) {
  asm volatile("" : "+r"(value) : : "memory");
  return value;
}

// The function of that name which the process calls, or null: for those that glibc lacks or hides.
void* find_symbol(const char* name);

template <typename Function>
inline Function* find_function(const char* name) {
  return reinterpret_cast<Function*>(find_symbol(name));
}

// The file that holds this address, with symbolic links resolved; empty for none.
std::string file_of(const void* address);

// The library that ought to serve: the environment's ASHLAR_LIBRARY, with symbolic links resolved.
std::string expected_library();

// True when p lies in Ashlar's memory. Without Ashlar (a trial under another allocator) always true.
bool owned(const void* p);

// Resident bytes of this process, from /proc/self/statm. In an emulator they are the emulator's: its own
// memory is among them, and of that it keeps 250 KiB for every thread that has ended.
size_t resident_bytes();

// A name for the struct alone: the function has the same.
using Stats = struct ashlar_stats;

// Ashlar's statistics, or null where it doesn't serve.
std::unique_ptr<Stats> read_stats();

// Live bytes as mallinfo2 tells them: uordblks + hblkhd.
size_t live_bytes();

// The number of faults that Ashlar's heap verifier finds (it describes them on stderr), 0 without it.
int heap_faults();

inline uintptr_t address_of(const void* p) { return reinterpret_cast<uintptr_t>(p); }

inline bool aligned(const void* p, size_t alignment) { return address_of(p) % alignment == 0; }

// Fills bytes with a pattern that depends on the seed, and looks whether it is still there.
void fill(void* p, size_t bytes, unsigned seed);
bool filled(const void* p, size_t bytes, unsigned seed);

bool all_zero(const void* p, size_t bytes);

// Sizes that meet every path: tiny, around class boundaries, pages, large, directly mapped.
const std::vector<size_t>& sizes_of_every_path();

}  // namespace interface_test

#endif
