#include "page/buddy.h"

#include "os/fatal.h"

namespace ashlar::page {

namespace {

unsigned in_chunk(PageIndex page) { return page % kPagesPerChunk; }
ChunkMeta& meta_of(PageIndex page) { return g_window_owner.chunk(chunk_of_page(page)); }

// A whole free chunk has no bit of its own: its bit in the group's summary says it.
bool test_block(const ChunkMeta& meta, unsigned order, PageIndex page, Kind kind) {
  if (order == kChunkOrder) {
    const ChunkIndex chunk = chunk_of_page(page);
    return (g_window_owner.group(chunk).has[kind][kChunkOrder] & bit(chunk % kChunksPerGroup)) != 0;
  }
  const unsigned index = block_bit(order, in_chunk(page));
  return (meta.free_blocks[kind][index / 64] & bit(index % 64)) != 0;
}

// The bits of one order that stand in word `word` of free_blocks; orders 3 and up share word 7.
uint64_t order_mask(unsigned order, unsigned word) {
  const unsigned first = block_bit(order, 0);
  const unsigned count = kPagesPerChunk >> order;
  if (count >= 64) return word >= first / 64 && word < (first + count) / 64 ? ~uint64_t{0} : 0;
  return word == first / 64 ? bit_range(first % 64, count) : 0;
}

unsigned first_word(unsigned order) { return block_bit(order, 0) / 64; }
unsigned word_count(unsigned order) {
  const unsigned count = kPagesPerChunk >> order;
  return count >= 64 ? count / 64 : 1;
}

bool chunk_has(const ChunkMeta& meta, unsigned order, Kind kind) {
  if (order == kChunkOrder) return false;
  const unsigned first = first_word(order);
  for (unsigned word = first; word < first + word_count(order); ++word) {
    if ((meta.free_blocks[kind][word] & order_mask(order, word)) != 0) return true;
  }
  return false;
}

// Which children of a summary have a free block of at least `order`.
uint64_t children_with(const SummaryMeta& summary, unsigned order, Kind kind) {
  uint64_t children = 0;
  for (unsigned o = order; o < kOrders; ++o)
    children |= summary.has[kind][o];
  return children;
}

// Calls visit(word, first bit, count) for each 64-page word that [start, start + count) touches.
template <typename Visit>
void for_each_dirty_word(PageIndex start, PageCount count, Visit visit) {
  while (count > 0) {
    uint64_t* const words = meta_of(start).dirty;
    do {
      const unsigned first = start % 64;
      const PageCount here = count < 64 - first ? count : 64 - first;
      visit(words[in_chunk(start) / 64], first, here);
      start += here;
      count -= here;
    } while (count > 0 && in_chunk(start) != 0);
  }
}

// The order of the largest block that starts at `start` and fits into `count` pages.
unsigned first_order(PageIndex start, PageCount count) {
  const unsigned aligned = start == 0 ? kChunkOrder : lowest_bit(start);
  unsigned order = highest_bit(count);
  if (order > aligned) order = aligned;
  return order < kChunkOrder ? order : kChunkOrder;
}

}  // namespace

// The dirty words are written under the page lock; calloc reads the bits of its own block without.
// ORDER: relaxed: the bits of a block do not change while it is its owner's, only their neighbours in the
// word do.
void set_dirty(PageIndex start, PageCount count, bool dirty) {
  for_each_dirty_word(start, count, [dirty](uint64_t& word, unsigned first, PageCount here) {
    const uint64_t mask = bit_range(first, here);
    __atomic_store_n(&word, dirty ? word | mask : word & ~mask, __ATOMIC_RELAXED);
  });
}

PageCount count_dirty(PageIndex start, PageCount count) {
  PageCount dirty = 0;
  for_each_dirty_word(start, count, [&dirty](uint64_t& word, unsigned first, PageCount here) {
    const uint64_t mask = bit_range(first, here);
    const uint64_t set = __atomic_load_n(&word, __ATOMIC_RELAXED) & mask;
    dirty += set == mask ? here : set == 0 ? 0 : count_bits(set);
  });
  return dirty;
}

uint64_t dirty_mask(PageIndex start, PageCount count) {
  uint64_t mask = 0;
  unsigned done = 0;
  for_each_dirty_word(start, count, [&mask, &done](uint64_t& word, unsigned first, PageCount here) {
    mask |= ((__atomic_load_n(&word, __ATOMIC_RELAXED) >> first) & bit_range(0, here)) << done;
    done += here;
  });
  return mask;
}

void Buddy::set_block(PageIndex page, unsigned order, Kind kind) {
  if (order < kChunkOrder) {
    const unsigned index = block_bit(order, in_chunk(page));
    meta_of(page).free_blocks[kind][index / 64] |= bit(index % 64);
  }
  const ChunkIndex chunk = chunk_of_page(page);
  uint64_t& in_group = g_window_owner.group(chunk).has[kind][order];
  if (in_group == 0) {
    g_window_owner.super(chunk).has[kind][order] |= bit(chunk / kChunksPerGroup % kGroupsPerSuper);
  }
  in_group |= bit(chunk % kChunksPerGroup);
}

void Buddy::clear_block(PageIndex page, unsigned order, Kind kind) {
  if (order < kChunkOrder) {
    const unsigned index = block_bit(order, in_chunk(page));
    ChunkMeta& meta = meta_of(page);
    meta.free_blocks[kind][index / 64] &= ~bit(index % 64);
    if (chunk_has(meta, order, kind)) return;
  }
  const ChunkIndex chunk = chunk_of_page(page);
  uint64_t& in_group = g_window_owner.group(chunk).has[kind][order];
  in_group &= ~bit(chunk % kChunksPerGroup);
  if (in_group == 0) {
    g_window_owner.super(chunk).has[kind][order] &= ~bit(chunk / kChunksPerGroup % kGroupsPerSuper);
  }
}

void Buddy::insert_block(PageIndex page, unsigned order, Kind kind) {
  const ChunkMeta& meta = meta_of(page);
  for (; order < kChunkOrder; ++order) {
    const PageIndex buddy = page ^ (1u << order);
    if (test_block(meta, order, buddy, kDirty)) {
      clear_block(buddy, order, kDirty);
      kind = kDirty;
    } else if (test_block(meta, order, buddy, kClean)) {
      clear_block(buddy, order, kClean);
    } else {
      break;
    }
    page &= ~(1u << order);
  }
  set_block(page, order, kind);
}

void Buddy::insert(PageIndex start, PageCount count) {
  free_pages_ += count;
  dirty_pages_ += count_dirty(start, count);
  while (count > 0) {
    const unsigned order = first_order(start, count);
    insert_block(start, order, count_dirty(start, 1u << order) != 0 ? kDirty : kClean);
    start += 1u << order;
    count -= 1u << order;
  }
}

void Buddy::insert_untouched(PageIndex start, PageCount count) {
  free_pages_ += count;
  while (count > 0) {
    const unsigned order = first_order(start, count);
    insert_block(start, order, kClean);
    start += 1u << order;
    count -= 1u << order;
  }
}

// PERF: growth in place asks this for every block on its way; a call for each order and kind was a third of
// it.
PageIndex Buddy::block_at(PageIndex page, unsigned* order, Kind* kind) const {
  if (page >= g_window_owner.opened()) return kNoPage;
  const ChunkMeta& meta = meta_of(page);
  unsigned o = kChunkOrder;  // large first: who takes or grows a run meets large blocks
  bool dirty = test_block(meta, o, page, kDirty);
  if (!dirty && !test_block(meta, o, page, kClean)) {
    for (;;) {
      if (o-- == 0) return kNoPage;
      const unsigned index = block_bit(o, in_chunk(page));
      const uint64_t clean_word = meta.free_blocks[kClean][index / 64];
      const uint64_t dirty_word = meta.free_blocks[kDirty][index / 64];
      if (((clean_word | dirty_word) >> index % 64 & 1) == 0) continue;
      dirty = (dirty_word >> index % 64 & 1) != 0;
      break;
    }
  }
  if (order != nullptr) *order = o;
  if (kind != nullptr) *kind = dirty ? kDirty : kClean;
  return page & ~((1u << o) - 1);
}

void Buddy::take(PageIndex start, PageCount count) {
  const PageIndex end = start + count;
  for (PageIndex page = start; page < end;) {
    unsigned order = 0;
    Kind kind = kClean;
    const PageIndex block = block_at(page, &order, &kind);
    ASHLAR_CHECK(block != kNoPage);
    const PageIndex block_end = block + (1u << order);
    clear_block(block, order, kind);
    free_pages_ -= 1u << order;
    dirty_pages_ -= count_dirty(block, 1u << order);
    if (block < start) insert(block, start - block);
    if (block_end > end) insert(end, block_end - end);
    page = block_end;
  }
}

PageIndex Buddy::lowest_in_chunk(ChunkIndex chunk, unsigned order, Kind kind) const {
  if (order == kChunkOrder) return chunk * kPagesPerChunk;
  const ChunkMeta& meta = g_window_owner.chunk(chunk);
  const unsigned first = first_word(order);
  for (unsigned word = first; word < first + word_count(order); ++word) {
    const uint64_t blocks = meta.free_blocks[kind][word] & order_mask(order, word);
    if (blocks == 0) continue;
    const unsigned index = word * 64 + lowest_bit(blocks) - block_bit(order, 0);
    return chunk * kPagesPerChunk + (index << order);
  }
  return kNoPage;
}

// The lowest chunk >= from with a free block of this kind and at least `order`, or kNoPage.
ChunkIndex Buddy::next_with(ChunkIndex from, unsigned order, Kind kind) const {
  const ChunkIndex chunks = g_window_owner.opened_chunks();
  while (from < chunks) {
    const unsigned group_in_super = from / kChunksPerGroup % kGroupsPerSuper;
    const uint64_t groups = children_with(g_window_owner.super(from), order, kind) >> group_in_super;
    if (groups == 0) {
      from = static_cast<ChunkIndex>(align_up(size_t{from} + 1, Window::kChunksPerSuper));
      continue;
    }
    if ((groups & 1) == 0) from = (from / kChunksPerGroup + lowest_bit(groups)) * kChunksPerGroup;
    const uint64_t children =
        children_with(g_window_owner.group(from), order, kind) >> from % kChunksPerGroup;
    if (children != 0) return from + lowest_bit(children);
    from = static_cast<ChunkIndex>(align_up(size_t{from} + 1, kChunksPerGroup));
  }
  return kNoPage;
}

PageIndex Buddy::lowest_block(unsigned order, Kind kind, unsigned* found) const {
  const ChunkIndex chunk = next_with(0, order, kind);
  if (chunk == kNoPage) return kNoPage;
  const SummaryMeta& group = g_window_owner.group(chunk);
  *found = order;
  while ((group.has[kind][*found] & bit(chunk % kChunksPerGroup)) == 0)
    ++*found;
  return lowest_in_chunk(chunk, *found, kind);
}

PageIndex Buddy::allocate(PageCount count, unsigned align_order, Kind kind) {
  unsigned order = log2_up(count);
  if (order < align_order) order = align_order;
  unsigned found = 0;
  const PageIndex page = lowest_block(order, kind, &found);
  if (page == kNoPage) return kNoPage;
  clear_block(page, found, kind);
  free_pages_ -= 1u << found;
  dirty_pages_ -= count_dirty(page, 1u << found);
  if (count < (1u << found)) insert(page + count, (1u << found) - count);
  return page;
}

bool Buddy::is_clean_chunk(ChunkIndex chunk) const {
  return test_block(g_window_owner.chunk(chunk), kChunkOrder, chunk * kPagesPerChunk, kClean);
}

PageCount Buddy::free_run_at(PageIndex start, PageCount limit) const {
  PageIndex page = start;
  while (page - start < limit) {
    unsigned order = 0;
    const PageIndex block = block_at(page, &order, nullptr);
    if (block == kNoPage) break;
    page = block + (1u << order);
  }
  return page - start < limit ? page - start : limit;
}

PageIndex Buddy::free_run_before(PageIndex end) const {
  while (end > 0) {
    const PageIndex block = block_at(end - 1, nullptr, nullptr);
    if (block == kNoPage) break;
    end = block;
  }
  return end;
}

PageIndex Buddy::highest_dirty(unsigned min_order, ChunkIndex end, unsigned* order) const {
  for (ChunkIndex chunk = end; chunk > 0;) {
    // The group in which chunk - 1 lies, with the children below `chunk` alone.
    const ChunkIndex group_chunk = (chunk - 1) / kChunksPerGroup * kChunksPerGroup;
    const SummaryMeta& group = g_window_owner.group(group_chunk);
    const uint64_t children = children_with(group, min_order, kDirty) & bit_range(0, chunk - group_chunk);
    if (children == 0) {
      chunk = group_chunk;
      continue;
    }
    const unsigned child = highest_bit(children);
    if ((group.has[kDirty][kChunkOrder] & bit(child)) != 0) {
      *order = kChunkOrder;
      return (group_chunk + child) * kPagesPerChunk;
    }
    const ChunkMeta& meta = g_window_owner.chunk(group_chunk + child);
    PageIndex best = 0;
    for (unsigned o = min_order; o < kChunkOrder; ++o) {
      for (unsigned word = first_word(o) + word_count(o); word-- > first_word(o);) {
        const uint64_t blocks = meta.free_blocks[kDirty][word] & order_mask(o, word);
        if (blocks == 0) continue;
        const PageIndex page = (word * 64 + highest_bit(blocks) - block_bit(o, 0)) << o;
        if (page >= best) {
          best = page;
          *order = o;
        }
        break;
      }
    }
    return (group_chunk + child) * kPagesPerChunk + best;
  }
  return kNoPage;
}

PageIndex Buddy::find_anywhere(PageCount count, unsigned align_order) const {
  const unsigned whole = log2_up(count);
  const unsigned order =
      whole > 2 ? whole - 2 : 0;  // a run holds an aligned block of a quarter of its length
  const ChunkIndex chunks = g_window_owner.opened_chunks();
  for (ChunkIndex chunk = 0; chunk < chunks; ++chunk) {
    const SummaryMeta& group = g_window_owner.group(chunk);
    const uint64_t worth = children_with(group, order, kDirty) | children_with(group, order, kClean);
    if ((worth & ~group.closed & bit(chunk % kChunksPerGroup)) == 0) continue;
    const PageIndex end = (chunk + 1) * kPagesPerChunk;
    const size_t first = align_up(size_t{chunk} * kPagesPerChunk, size_t{1} << align_order);
    for (PageIndex page = static_cast<PageIndex>(first); page < end;) {
      const PageCount run = free_run_at(page, count);
      if (run == count) return page;
      page = static_cast<PageIndex>(align_up(size_t{page} + run + 1, size_t{1} << align_order));
    }
  }
  return kNoPage;
}

}  // namespace ashlar::page
