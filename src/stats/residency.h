// What the kernel says is resident: of our ranges by mincore, of everybody else's by smaps.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/types.h"

namespace ashlar::stats {

// One bit a page (4 KiB) of up to 256 pages from `start`: resident or not. A range that the kernel
// refuses to tell about counts as resident.
struct PageBits {
  uint64_t bits[kPagesPerChunk / 64];
  bool test(unsigned page) const { return (bits[page / 64] >> (page % 64) & 1) != 0; }
};
PageBits resident_pages(uintptr_t start, unsigned pages);

// Resident bytes of a range of whole pages.
size_t resident_bytes(uintptr_t start, size_t size);

// A range that is ours.
struct Range {
  uintptr_t start, end;
};

// Resident bytes of the process outside of ours, from /proc/self/smaps. `is_ours` tells, for a mapping
// [start, end), how many bytes of it are ours and resident, and whether it is ours whole.
// False: smaps could not be read.
bool foreign_resident(size_t (*ours_in)(uintptr_t start, uintptr_t end, void* context), void* context, size_t* bytes);

}  // namespace ashlar::stats
