// A naive buddy: one flag a page, everything else found by looking at all of them.
//
// It models only the chunks that it is given (their numbers in the window, rising), so that a test can
// place them on both sides of a group's or a super's end without paying for what lies between.
#pragma once

#include <optional>
#include <vector>

#include "page/buddy.h"

namespace ashlar::page {

class BuddyModel {
 public:
  struct Block {
    PageIndex start;
    unsigned order;
    bool dirty;
  };

  explicit BuddyModel(std::vector<ChunkIndex> chunks);

  // Model pages are numbered from 0 through all chunks; these convert.
  size_t pages() const { return free_.size(); }
  PageIndex real(size_t page) const;
  std::optional<size_t> modelled(PageIndex page) const;
  // Model pages from `page` on that lie behind one another in the window too, at most `limit`.
  size_t contiguous(size_t page, size_t limit) const;

  bool is_free(size_t page) const { return free_[page] != 0; }
  bool is_dirty(size_t page) const { return dirty_[page] != 0; }
  void set_free(size_t page, bool free);
  void set_dirty(size_t page, bool dirty) { dirty_[page] = dirty; }
  size_t free_pages() const { return free_pages_; }
  size_t free_dirty_pages() const;

  // The maximal aligned free blocks of the chunk at `place` in the list, lowest first.
  std::vector<Block> blocks(size_t place) const;
  // What Buddy::allocate, allocate_tight, find_run and highest_dirty must return.
  PageIndex expect_allocate(PageCount count, unsigned align_order, Kind kind) const;
  PageIndex expect_tight(PageCount count, Kind kind) const;
  PageIndex expect_run(PageCount count, unsigned align_order) const;
  // Among the first `places` chunks of the list.
  PageIndex expect_highest_dirty(unsigned min_order, size_t places) const;

  size_t chunk_count() const { return chunks_.size(); }

 private:
  bool is_whole(size_t place) const;
  void collect(size_t first, unsigned order, PageIndex start, std::vector<Block>* blocks) const;

  std::vector<ChunkIndex> chunks_;
  std::vector<char> free_;
  std::vector<char> dirty_;
  size_t free_pages_ = 0;
};

}  // namespace ashlar::page
