// Where a block fits best among what is free: runs of pages that no buddy block alone describes.
#include "page/buddy.h"

namespace ashlar::page {

namespace {

// The order whose bits hold this one: the other way round of block_bit.
constexpr unsigned order_of_bit(unsigned index) { return 8 - highest_bit(511 - index); }
static_assert(order_of_bit(0) == 0 && order_of_bit(block_bit(0, 255)) == 0 &&
              order_of_bit(block_bit(1, 0)) == 1 && order_of_bit(block_bit(6, 192)) == 6 &&
              order_of_bit(block_bit(7, 128)) == 7);

// The first chunk >= from that is wholly free, or that is not; `end` if there is none.
ChunkIndex next_free_chunk(ChunkIndex from, ChunkIndex end, bool is_free) {
  while (from < end) {
    const SummaryMeta& group = g_window_owner.group(from);
    uint64_t free = group.has[kClean][kChunkOrder] | group.has[kDirty][kChunkOrder];
    if (!is_free) free = ~free;
    const unsigned at = from % kChunksPerGroup;
    free >>= at;
    if (free != 0) {
      from += lowest_bit(free);
      return from < end ? from : end;
    }
    from += kChunksPerGroup - at;
  }
  return end;
}

// One bit a page of the chunk: it is free, in a block that is dirty.
void map_dirty_blocks(const ChunkMeta& meta, uint64_t (&map)[kPagesPerChunk / 64]) {
  for (unsigned word = 0; word < 8; ++word) {
    uint64_t rest = meta.free_blocks[kDirty][word];
    if (word < 4) {
      map[word] = rest;  // order 0
      continue;
    }
    for (; rest != 0; rest &= rest - 1) {
      const unsigned index = word * 64 + lowest_bit(rest);
      const unsigned order = order_of_bit(index);
      const unsigned page = (index - block_bit(order, 0)) << order;
      if (order < 6) {
        map[page / 64] |= bit_range(page % 64, 1u << order);
      } else {
        map[page / 64] = ~uint64_t{0};
        if (order == 7) map[page / 64 + 1] = ~uint64_t{0};
      }
    }
  }
}

// The tightest run of at least `count` bits, the lowest of these: its first bit, or kPagesPerChunk.
unsigned tightest_run(const uint64_t (&map)[kPagesPerChunk / 64], PageCount count) {
  unsigned best = kPagesPerChunk;
  unsigned best_length = kPagesPerChunk + 1;
  unsigned start = 0;
  unsigned length = 0;
  for (unsigned at = 0; at < kPagesPerChunk;) {
    const uint64_t rest = map[at / 64] >> at % 64;
    const unsigned left = 64 - at % 64;
    unsigned ones = static_cast<unsigned>(std::countr_one(rest));
    if (ones > left) ones = left;
    if (length == 0) start = at;
    length += ones;
    at += ones;
    if (ones == left && at < kPagesPerChunk) continue;  // may go on in the next word
    if (length >= count && length < best_length) {
      best = start;
      best_length = length;
    }
    length = 0;
    if (ones == left) break;
    const uint64_t behind = rest >> ones;
    at += behind == 0 ? left - ones : lowest_bit(behind);
  }
  return best;
}

// How many of the chunks [first, end) are free and dirty.
unsigned count_dirty_chunks(ChunkIndex first, ChunkIndex end) {
  unsigned dirty = 0;
  while (first < end) {
    const unsigned at = first % kChunksPerGroup;
    unsigned here = kChunksPerGroup - at;
    if (here > end - first) here = end - first;
    dirty += count_bits(g_window_owner.group(first).has[kDirty][kChunkOrder] & bit_range(at, here));
    first += here;
  }
  return dirty;
}

}  // namespace

// The first place of a tight run in a few chunks that are partly used, not taken; or kNoPage.
PageIndex Buddy::find_tight(PageCount count) const {
  // A run of this length holds an aligned block of a quarter of it at least.
  const unsigned least_order = highest_bit(count) - 1;
  ChunkIndex from = 0;
  unsigned probes = 0;
  while (probes < kTightProbes) {
    const ChunkIndex chunk = next_with(from, least_order, kDirty);
    if (chunk == kNoPage) return kNoPage;
    from = next_free_chunk(chunk, g_window_owner.opened_chunks(), false);
    if (from > chunk) continue;  // behind the free chunks: the last to be begun
    ++probes;
    ++from;
    uint64_t map[kPagesPerChunk / 64];
    map_dirty_blocks(g_window_owner.chunk(chunk), map);
    const unsigned run = tightest_run(map, count);
    if (run < kPagesPerChunk) return chunk * kPagesPerChunk + run;
  }
  return kNoPage;
}

PageIndex Buddy::allocate_tight(PageCount count, Kind kind) {
  PageIndex page = kind == kDirty ? find_tight(count) : kNoPage;  // the tails of clean ones cost nothing yet
  if (page == kNoPage) {
    unsigned order = 0;
    page = lowest_block(log2_up(count), kind, &order);
    if (page == kNoPage) return kNoPage;
    const PageIndex first = page / kPagesPerChunk * kPagesPerChunk;
    while (page > first) {  // up against what is in use before it
      const PageIndex before = block_at(page - 1, nullptr, nullptr);
      if (before == kNoPage) break;
      page = before;
    }
  }
  take(page, count);
  return page;
}

// The free pages around the whole chunks [first, end): up to a chunk's worth on either side.
Buddy::Run Buddy::widen(ChunkIndex first, ChunkIndex end) const {
  Run run{first * kPagesPerChunk, end * kPagesPerChunk};
  if (first > 0) run.start = free_run_before(run.start);
  run.end += free_run_at(run.end, kPagesPerChunk - 1);
  return run;
}

// Both ends of every maximal run that is long enough: the fewest clean chunks win, then the tightest fit,
// then the lowest address. Behind the first kConsideredRuns, the first whose whole chunks suffice.
PageIndex Buddy::find_run(PageCount count, unsigned align_order) const {
  const PageCount alignment = 1u << align_order;
  const ChunkIndex chunks = g_window_owner.opened_chunks();
  PageIndex best = kNoPage;
  unsigned best_clean = 0;
  PageCount best_left = 0;
  const auto consider = [&](PageIndex start, PageCount left) {
    const ChunkIndex first = (start + kPagesPerChunk - 1) / kPagesPerChunk;
    const ChunkIndex end = (start + count) / kPagesPerChunk;
    const unsigned clean = end > first ? end - first - count_dirty_chunks(first, end) : 0;
    if (best != kNoPage && (clean > best_clean || (clean == best_clean && left >= best_left))) return;
    best = start;
    best_clean = clean;
    best_left = left;
  };
  unsigned considered = 0;
  for (ChunkIndex chunk = 0; chunk < chunks;) {
    const ChunkIndex first = next_free_chunk(chunk, chunks, true);
    if (first >= chunks) break;
    chunk = next_free_chunk(first, chunks, false);
    const size_t whole = size_t{chunk - first} * kPagesPerChunk;
    if (whole + 2 * size_t{kPagesPerChunk - 1} < count) continue;
    if (++considered > kConsideredRuns) {  // PERF: each looks into the records of two chunks
      if (best != kNoPage) break;
      if (whole >= count) return first * kPagesPerChunk;
      continue;
    }
    const Run run = widen(first, chunk);
    const PageIndex lowest = static_cast<PageIndex>(align_up(run.start, alignment));
    if (size_t{lowest} + count > run.end) continue;
    const PageCount left = run.end - run.start - count;
    consider(lowest, left);
    if (left > 0) consider((run.end - count) & ~(alignment - 1), left);
    if (best_clean == 0 && best_left == 0) break;  // as good as any
  }
  return best;
}

}  // namespace ashlar::page
