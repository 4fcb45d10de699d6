// The naive buddy; see buddy_model.h.
#include "buddy_model.h"

#include <algorithm>

namespace ashlar::page {

BuddyModel::BuddyModel(std::vector<ChunkIndex> chunks)
    : chunks_(std::move(chunks)), free_(chunks_.size() * kPagesPerChunk), dirty_(free_.size()) {}

PageIndex BuddyModel::real(size_t page) const {
  return static_cast<PageIndex>(chunks_[page / kPagesPerChunk] * kPagesPerChunk + page % kPagesPerChunk);
}

std::optional<size_t> BuddyModel::modelled(PageIndex page) const {
  const auto found = std::find(chunks_.begin(), chunks_.end(), chunk_of_page(page));
  if (found == chunks_.end()) return std::nullopt;
  return static_cast<size_t>(found - chunks_.begin()) * kPagesPerChunk + page % kPagesPerChunk;
}

size_t BuddyModel::contiguous(size_t page, size_t limit) const {
  size_t count = 0;
  while (count < limit && page + count < pages() && real(page + count) == real(page) + count)
    ++count;
  return count;
}

void BuddyModel::set_free(size_t page, bool free) {
  if (is_free(page) != free) free_pages_ += free ? 1 : -size_t{1};
  free_[page] = free;
}

size_t BuddyModel::free_dirty_pages() const {
  size_t count = 0;
  for (size_t page = 0; page < pages(); ++page)
    count += is_free(page) && is_dirty(page) ? 1 : 0;
  return count;
}

void BuddyModel::collect(size_t first, unsigned order, PageIndex start, std::vector<Block>* blocks) const {
  size_t free = 0;
  bool dirty = false;
  for (size_t page = first; page < first + (size_t{1} << order); ++page) {
    free += free_[page] ? 1 : 0;
    dirty = dirty || dirty_[page] != 0;
  }
  if (free == size_t{1} << order) {
    blocks->push_back({start, order, dirty});
  } else if (free > 0) {
    collect(first, order - 1, start, blocks);
    collect(first + (size_t{1} << (order - 1)), order - 1, start + (1u << (order - 1)), blocks);
  }
}

std::vector<BuddyModel::Block> BuddyModel::blocks(size_t place) const {
  std::vector<Block> blocks;
  collect(place * kPagesPerChunk, kChunkOrder, chunks_[place] * kPagesPerChunk, &blocks);
  return blocks;
}

PageIndex BuddyModel::expect_allocate(PageCount count, unsigned align_order, Kind kind) const {
  const unsigned order = std::max(log2_up(count), align_order);
  for (size_t place = 0; place < chunks_.size(); ++place) {
    std::optional<Block> best;
    for (const Block& block : blocks(place)) {
      if (block.order < order || block.dirty != (kind == kDirty)) continue;
      if (!best || block.order < best->order) best = block;
    }
    if (best) return best->start;
  }
  return kNoPage;
}

PageIndex BuddyModel::expect_run(PageCount count) const {
  const size_t need = (size_t{count} + kPagesPerChunk - 1) / kPagesPerChunk;
  size_t run = 0;
  for (size_t place = 0; place < chunks_.size(); ++place) {
    const std::vector<Block> found = blocks(place);
    const bool whole = found.size() == 1 && found[0].order == kChunkOrder;
    const bool adjoins = place > 0 && chunks_[place] == chunks_[place - 1] + 1;
    run = !whole ? 0 : adjoins ? run + 1 : 1;
    if (run == need) return static_cast<PageIndex>((chunks_[place] + 1 - need) * kPagesPerChunk);
  }
  return kNoPage;
}

PageIndex BuddyModel::expect_highest_dirty(unsigned min_order, size_t places) const {
  for (size_t place = places; place-- > 0;) {
    const std::vector<Block> found = blocks(place);
    for (auto block = found.rbegin(); block != found.rend(); ++block) {
      if (block->dirty && block->order >= min_order) return block->start;
    }
  }
  return kNoPage;
}

}  // namespace ashlar::page
