// What the tests of a heap under limits share: limits of 200 MiB, faked where only their reading matters and
// real where the kernel is to enforce them; blocks by the megabyte; what the kernel counts. Each test in a
// child.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/types.h"
#include "fakes/workload.h"
#include "support/support.h"

namespace ashlar::heap {

inline constexpr size_t kLimit = 200 * kMiB;

// Bytes of this process as the kernel counts them: what RLIMIT_AS compares with ("VmSize"), or RLIMIT_DATA
// ("VmData").
size_t counted_bytes(const char* what);
size_t mapped_bytes();  // VmSize

// Bytes of [start, end) by the kernel's list that may be written; of the heap's addresses.
size_t writable_bytes(uintptr_t start, uintptr_t end);
size_t writable_heap();

// Blocks with a mapping of their own.
size_t direct_blocks();

// A block full of a value that follows from its number; start is null when there is no memory.
Block make(size_t size, size_t number);
// Fills `blocks` up to its capacity, or until there is no more memory.
void make_all(std::vector<Block>& blocks, size_t size);
std::vector<Block> make_many(size_t size, size_t bytes);
// Fails where a block has changed.
void free_all(std::vector<Block>& blocks);

void set_real_limit(int resource, size_t bytes);
// A limit that the program sets in the middle of its life: others' mappings fail.
void limit_addresses_later(size_t bytes);
void start_with_window(size_t bytes);

// Everything that can be had is had, in small blocks and large, of each more than `least` bytes; then
// nothing; then all of it again. `blocks` has room for all of them, since memory is short.
void exhaust_three_times(std::vector<Block>& blocks, size_t least);

}  // namespace ashlar::heap
