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

bool BuddyModel::is_whole(size_t place) const {
  for (size_t page = place * kPagesPerChunk; page < (place + 1) * kPagesPerChunk; ++page) {
    if (!is_free(page)) return false;
  }
  return true;
}

// What the header of Buddy says, page by page.
PageIndex BuddyModel::expect_tight(PageCount count, Kind kind) const {
  const unsigned least_order = log2_up(count + 1) - 2;  // a quarter of the power of two above
  size_t probes = 0;
  for (size_t place = 0; kind == kDirty && place < chunks_.size() && probes < Buddy::kTightProbes; ++place) {
    std::vector<char> usable(kPagesPerChunk);
    bool probed = false;
    for (const Block& block : blocks(place)) {
      if (!block.dirty) continue;
      probed = probed || block.order >= least_order;
      for (size_t page = 0; page < size_t{1} << block.order; ++page)
        usable[block.start % kPagesPerChunk + page] = 1;
    }
    if (!probed || is_whole(place)) continue;
    ++probes;
    size_t best = 0, best_length = 0;
    for (size_t page = 0, length = 0; page <= kPagesPerChunk; ++page) {
      if (page < kPagesPerChunk && usable[page] != 0) {
        ++length;
        continue;
      }
      if (length >= count && (best_length == 0 || length < best_length)) {
        best = page - length;
        best_length = length;
      }
      length = 0;
    }
    if (best_length != 0) return real(place * kPagesPerChunk + best);
  }
  PageIndex page = expect_allocate(count, 0, kind);
  if (page == kNoPage) return kNoPage;
  while (page % kPagesPerChunk != 0 && is_free(*modelled(page - 1)))
    --page;
  return page;
}

// Every maximal run of free pages that holds a whole chunk, at both of its ends.
PageIndex BuddyModel::expect_run(PageCount count, unsigned align_order) const {
  PageIndex best = kNoPage;
  size_t best_clean = 0, best_left = 0;
  for (size_t place = 0; place < chunks_.size();) {
    if (!is_whole(place)) {
      ++place;
      continue;
    }
    size_t start = place * kPagesPerChunk;
    const auto adjoin = [this](size_t page) { return real(page - 1) + 1 == real(page); };
    size_t end = start + contiguous(start, pages() - start);
    while (start > 0 && adjoin(start) && is_free(start - 1))
      --start;
    size_t behind = start;
    while (behind < end && is_free(behind))
      ++behind;
    end = behind;
    place = end / kPagesPerChunk;
    if (place * kPagesPerChunk < end || place == start / kPagesPerChunk) ++place;
    const size_t alignment = size_t{1} << align_order;  // of model pages too: chunks are whole in both
    const size_t lowest = align_up(start, alignment);
    if (lowest + count > end) continue;
    for (const size_t at : {lowest, (end - count) / alignment * alignment}) {
      size_t clean = 0;
      for (size_t first = (at + kPagesPerChunk - 1) / kPagesPerChunk;
           (first + 1) * kPagesPerChunk <= at + count; ++first) {
        const std::vector<Block> found = blocks(first);
        if (!found[0].dirty) ++clean;
      }
      const size_t left = end - start - count;
      if (best != kNoPage && (clean > best_clean || (clean == best_clean && left >= best_left))) continue;
      best = real(at);
      best_clean = clean;
      best_left = left;
    }
  }
  return best;
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
