// The buddy allocator: which pages are free, in blocks of 2^order pages, lowest address first.
//
// Orders 0 to 7 (4 to 512 KiB) are bits in the chunk records. A whole free chunk (order 8) is its bit in
// the group's summary alone, so that the record of a clean free chunk is all zero and can be purged; a
// free block of a higher order is a run of such chunks. Two sets of bits, clean and dirty, hold one
// buddy: any two free buddies merge, and the block is dirty if one of its pages is.
//
// INVARIANT: no two free buddies below order 8 both stand free: they have merged.
// INVARIANT: group.has[kind][order] bit c  <=>  chunk c has a free block of that kind and order;
//            super.has[kind][order] bit g  <=>  group g has one.
// INVARIANT: free_pages() = sum of 2^order over the free blocks; dirty_pages() = dirty bits in them.
// LOCKS: the caller holds the page lock for every member function.
// COSTS: insert and take: at most 9 merges a piece and 2 pieces an order; allocate: 9 words a level;
// allocate_tight: the maps of kTightProbes chunks besides; find_run: the summaries, and the records of two
// chunks for each run considered.
#pragma once

#include "page/window.h"

namespace ashlar::page {

class Buddy {
 public:
  static constexpr unsigned kConsideredRuns = 64;  // runs of free chunks that find_run compares
  static constexpr unsigned kTightProbes = 3;      // partly used chunks that allocate_tight looks into

  // Makes pages free; their dirty bits say what is resident. None of them may be free.
  void insert(PageIndex start, PageCount count);

  // The same for pages that were never touched, whose dirty bits are all zero: reads and writes no record of
  // a chunk that lies whole in them. PERF: an opening step made 64 records resident, a page fault each.
  void insert_untouched(PageIndex start, PageCount count);

  // Takes pages out again; all of them must be free.
  void take(PageIndex start, PageCount count);

  // Takes `count` <= 256 pages aligned to 2^align_order pages, or kNoPage. The lowest chunk that
  // has a block of this kind, in it the smallest sufficient block.
  PageIndex allocate(PageCount count, unsigned align_order, Kind kind);

  // The same without alignment, for a count that is no power of two, whose buddy block would leave a tail:
  // fits it in where dirty blocks adjoin, or up against what is in use before it, so that tails do not stay
  // between its like. It may take pages of the other kind with it.
  PageIndex allocate_tight(PageCount count, Kind kind);

  // Room for `count` pages at a multiple of 2^align_order, not taken: in a run of free pages that holds a
  // whole free chunk; or kNoPage. The fewest clean chunks, then the tightest fit, then the lowest address.
  // Of the lowest kConsideredRuns runs that may do; if none of these does, the first that does for certain.
  PageIndex find_run(PageCount count, unsigned align_order) const;

  // Room for `count` <= 256 pages at this alignment, not taken, wherever so many free pages adjoin; or
  // kNoPage. The last resort when no block is large enough and none can be opened: every chunk with a free
  // block of a quarter of the size is walked page by page, but for closed ones, of which pages are had
  // otherwise.
  PageIndex find_anywhere(PageCount count, unsigned align_order) const;

  // How many pages from `start` on are free, at most `limit`.
  PageCount free_run_at(PageIndex start, PageCount limit) const;

  // The first page of the free pages that end at `end` (exclusive); `end` if there are none.
  PageIndex free_run_before(PageIndex end) const;

  // The highest free dirty block of order >= min_order in the chunks below `end`: *order is its order.
  // kNoPage: none.
  PageIndex highest_dirty(unsigned min_order, ChunkIndex end, unsigned* order) const;

  size_t free_pages() const { return free_pages_; }
  size_t dirty_pages() const { return dirty_pages_; }

  // Free blocks of each order, 0 to kMaxOrder. Counts runs of whole chunks as maximal aligned blocks.
  void count_blocks(size_t (&clean)[kMaxOrder + 1], size_t (&dirty)[kMaxOrder + 1]) const;

  // True if the whole chunk is free and none of its pages dirty: then nothing is left in its record.
  bool is_clean_chunk(ChunkIndex chunk) const;

  bool is_free(PageIndex page) const { return block_at(page, nullptr, nullptr) != kNoPage; }

  // Walks everything; stops the program at the first broken invariant. True, for use in conditions.
  bool check_invariants() const;

 private:
  struct Run {
    PageIndex start, end;
  };
  ChunkIndex next_with(ChunkIndex from, unsigned order, Kind kind) const;
  PageIndex lowest_block(unsigned order, Kind kind, unsigned* found) const;
  PageIndex find_tight(PageCount count) const;
  Run widen(ChunkIndex first, ChunkIndex end) const;
  void insert_block(PageIndex page, unsigned order, Kind kind);
  void set_block(PageIndex page, unsigned order, Kind kind);
  void clear_block(PageIndex page, unsigned order, Kind kind);
  PageIndex block_at(PageIndex page, unsigned* order, Kind* kind) const;
  PageIndex lowest_in_chunk(ChunkIndex chunk, unsigned order, Kind kind) const;

  size_t free_pages_ = 0;
  size_t dirty_pages_ = 0;
};

// One bit a page, in the chunk records: the page may be resident. Bits of pages in use are their
// user's to set (slabs) or stay as they were when the block was handed out (large blocks).
void set_dirty(PageIndex start, PageCount count, bool dirty);
PageCount count_dirty(PageIndex start, PageCount count);
// The bits of up to 64 pages, page `start` in bit 0.
uint64_t dirty_mask(PageIndex start, PageCount count);

}  // namespace ashlar::page
