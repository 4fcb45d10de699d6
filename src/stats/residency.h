// What the kernel says is resident: page by page by mincore, mapping by mapping by smaps. mincore counts
// pages of zeroes that have only been read, smaps and RSS don't.
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

// Calls visit(start, end, resident bytes, context) for each mapping of the process with resident pages, by
// /proc/self/smaps. False: that could not be read.
bool visit_mappings(void (*visit)(uintptr_t start, uintptr_t end, size_t resident, void* context),
                    void* context);

}  // namespace ashlar::stats
