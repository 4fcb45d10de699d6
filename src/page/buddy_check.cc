// The buddy's slow companions: counting blocks for the statistics, and the check of every invariant.
#include "os/fatal.h"
#include "page/buddy.h"

namespace ashlar::page {

namespace {

bool free_of(ChunkIndex chunk, Kind kind, unsigned order, unsigned block) {
  if (order == kChunkOrder) {
    return (g_window_owner.group(chunk).has[kind][kChunkOrder] & bit(chunk % kChunksPerGroup)) != 0;
  }
  const ChunkMeta& meta = g_window_owner.chunk(chunk);
  const unsigned index = block_bit(order, block << order);
  return (meta.free_blocks[kind][index / 64] & bit(index % 64)) != 0;
}

// Free blocks of an order below 8 in a chunk.
unsigned count_in_chunk(ChunkIndex chunk, Kind kind, unsigned order) {
  if ((g_window_owner.group(chunk).has[kind][order] & bit(chunk % kChunksPerGroup)) == 0) return 0;
  const uint64_t* const words = g_window_owner.chunk(chunk).free_blocks[kind];
  const unsigned first = block_bit(order, 0);
  const unsigned count = kPagesPerChunk >> order;
  if (count < 64) return count_bits(words[first / 64] & bit_range(first % 64, count));
  unsigned blocks = 0;
  for (unsigned word = first / 64; word < (first + count) / 64; ++word)
    blocks += count_bits(words[word]);
  return blocks;
}

// A run of whole free chunks, as the largest aligned blocks that it holds.
void count_run(ChunkIndex first, ChunkIndex end, size_t (&counts)[kMaxOrder + 1]) {
  while (first < end) {
    const unsigned aligned = first == 0 ? kMaxOrder - kChunkOrder : lowest_bit(first);
    unsigned order = highest_bit(end - first);
    if (order > aligned) order = aligned;
    if (order > kMaxOrder - kChunkOrder) order = kMaxOrder - kChunkOrder;
    ++counts[kChunkOrder + order];
    first += 1u << order;
  }
}

}  // namespace

void Buddy::count_blocks(size_t (&clean)[kMaxOrder + 1], size_t (&dirty)[kMaxOrder + 1]) const {
  for (unsigned order = 0; order <= kMaxOrder; ++order)
    clean[order] = dirty[order] = 0;
  const ChunkIndex chunks = g_window_owner.opened_chunks();
  ChunkIndex run_start = 0;
  bool run_dirty = false;
  for (ChunkIndex chunk = 0; chunk < chunks; ++chunk) {
    const bool whole_dirty = free_of(chunk, kDirty, kChunkOrder, 0);
    if (whole_dirty || free_of(chunk, kClean, kChunkOrder, 0)) {
      run_dirty = run_dirty || whole_dirty;
      continue;
    }
    for (unsigned order = 0; order < kChunkOrder; ++order) {
      clean[order] += count_in_chunk(chunk, kClean, order);
      dirty[order] += count_in_chunk(chunk, kDirty, order);
    }
    count_run(run_start, chunk, run_dirty ? dirty : clean);
    run_start = chunk + 1;
    run_dirty = false;
  }
  if (run_start < chunks) count_run(run_start, chunks, run_dirty ? dirty : clean);
}

bool Buddy::check_invariants() const {
  size_t free_pages = 0;
  size_t dirty_pages = 0;
  const ChunkIndex chunks = g_window_owner.opened_chunks();
  for (ChunkIndex chunk = 0; chunk < chunks; ++chunk) {
    const ChunkMeta& meta = g_window_owner.chunk(chunk);
    uint64_t covered[kPagesPerChunk / 64] = {};
    for (unsigned order = 0; order < kOrders; ++order) {
      bool any[2] = {false, false};
      for (unsigned block = 0; block < kPagesPerChunk >> order; ++block) {
        const bool is_clean = free_of(chunk, kClean, order, block);
        const bool is_dirty = free_of(chunk, kDirty, order, block);
        ASHLAR_CHECK(!(is_clean && is_dirty));
        if (!is_clean && !is_dirty) continue;
        any[is_dirty ? kDirty : kClean] = true;
        if (order < kChunkOrder) {
          ASHLAR_CHECK(!free_of(chunk, kClean, order, block ^ 1) &&
                       !free_of(chunk, kDirty, order, block ^ 1));
        }
        const PageIndex start = chunk * kPagesPerChunk + (block << order);
        ASHLAR_CHECK(start + (1u << order) <= g_window_owner.opened());
        const PageCount dirty = count_dirty(start, 1u << order);
        ASHLAR_CHECK((dirty != 0) == is_dirty);
        free_pages += 1u << order;
        dirty_pages += dirty;
        for (unsigned page = block << order; page < (block + 1) << order; ++page) {
          ASHLAR_CHECK((covered[page / 64] & bit(page % 64)) == 0);
          covered[page / 64] |= bit(page % 64);
          ASHLAR_CHECK(meta.run_pages[page] == 0);
        }
      }
      for (const Kind kind : {kClean, kDirty}) {
        const uint64_t in_group = g_window_owner.group(chunk).has[kind][order];
        ASHLAR_CHECK(((in_group & bit(chunk % kChunksPerGroup)) != 0) == any[kind]);
        const uint64_t in_super = g_window_owner.super(chunk).has[kind][order];
        ASHLAR_CHECK(((in_super & bit(chunk / kChunksPerGroup % kGroupsPerSuper)) != 0) == (in_group != 0));
      }
    }
  }
  ASHLAR_CHECK(free_pages == free_pages_);
  ASHLAR_CHECK(dirty_pages == dirty_pages_);
  return true;
}

}  // namespace ashlar::page
