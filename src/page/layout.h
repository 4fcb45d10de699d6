// The page layer's metadata: out of band, one record for each chunk (1 MiB) of the window, summaries
// for each group of 64 chunks and each super of 64 groups. All-zero is the state of a chunk without a
// free page and without a block, so fresh memory from the kernel needs no initialisation.
//
//   one mapping:  | supers and groups | page map: 1 byte a page | chunk records: 12 KiB each | heap ... |
//
//   ChunkMeta, 12 KiB = 3 pages for 1 MiB of heap:
//     0     run_pages[256]    length of the large block that starts at this page, 0: none starts here;
//                             with the top bit set, it lies in a thread's run cache
//     1024  free_blocks[2]    buddy bits, clean and dirty: one bit a block, orders 0 to 7
//     1152  dirty             one bit a page: it may be resident and is not known to be zero
//     1184  client            the slab layer's records; opaque here
//
// INVARIANT: a page is free in the buddy, or part of a large block, or of a slab, or of a gap in the
// program break, or not yet opened - exactly one of these.
// INVARIANT: a free block is in free_blocks[1] if one of its pages is dirty, else in free_blocks[0].
// LOCKS: everything but `client` and the page map is the page lock's.
#pragma once

#include <atomic>

#include "base/bits.h"
#include "base/types.h"

namespace ashlar::page {

inline constexpr unsigned kChunkOrder = 8;  // 2^8 pages = 1 MiB, a whole chunk
inline constexpr unsigned kOrders = kChunkOrder + 1;
inline constexpr unsigned kMaxOrder = 18;  // 1 GiB: orders above 8 are runs of whole free chunks
inline constexpr size_t kClientBytesPerChunk = 11104;
inline constexpr size_t kClientBytesPerSummary = 864;

enum Kind : unsigned { kClean = 0, kDirty = 1 };

struct ChunkMeta {
  uint32_t run_pages[kPagesPerChunk];
  uint64_t free_blocks[2][8];
  uint64_t dirty[kPagesPerChunk / 64];
  alignas(16) unsigned char client[kClientBytesPerChunk];
};
static_assert(sizeof(ChunkMeta) == 3 * kPageSize);
static_assert(offsetof(ChunkMeta, client) == 1184);

// For 64 chunks (group) or 64 groups (super): where free blocks of an order and kind are.
struct SummaryMeta {
  uint64_t has[2][kOrders];  // bit i: child i has a free block of this kind and order
  uint64_t closed;           // a group's, bit i: chunk i is free and closed (page_layer.h)
  alignas(16) unsigned char client[kClientBytesPerSummary];
};
static_assert(sizeof(SummaryMeta) == 1024);

// Where the bit of the block of `order` at `page_in_chunk` stands: order 0 takes bits 0-255, order 1
// bits 256-383, ..., order 7 bits 508 and 509.
constexpr unsigned block_bit(unsigned order, unsigned page_in_chunk) {
  return 512u - (512u >> order) + (page_in_chunk >> order);
}
static_assert(block_bit(0, 255) == 255 && block_bit(1, 0) == 256);

}  // namespace ashlar::page
