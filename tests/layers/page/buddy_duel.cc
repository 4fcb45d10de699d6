// The duel; see buddy_duel.h.
#include "buddy_duel.h"

namespace ashlar::page {

void open_window(ChunkIndex chunks) {
  if (g_window_owner.reserved() == 0) {
    ASSERT_TRUE(g_window_owner.reserve(size_t{chunks + 8} * kChunkSize, 0, Source::kMmap));
  }
  PageIndex start = 0;
  const PageCount pages = chunks * kPagesPerChunk;
  if (g_window_owner.opened() >= pages) return;
  const PageCount more = pages - g_window_owner.opened();
  ASSERT_GT(g_window_owner.open(more, more, &start), 0u);
}

void Duel::step() {
  const size_t choice = choices_.below(16);
  if (choice < 4) return allocate();
  if (choice < 6) return allocate_tight();
  if (choice < 11) return insert();
  if (choice == 11) return take();
  if (choice == 12) return ask_runs();
  if (choice == 13) return ask_find_run();
  if (choice == 14) return set_dirty_bits();
  ask_highest_dirty();
}

void Duel::compare_sums() const {
  ASSERT_EQ(buddy_.free_pages(), model_.free_pages());
  ASSERT_EQ(buddy_.dirty_pages(), model_.free_dirty_pages());
  size_t clean[kMaxOrder + 1], dirty[kMaxOrder + 1];
  buddy_.count_blocks(clean, dirty);
  size_t pages = 0;
  for (unsigned order = 0; order <= kMaxOrder; ++order)
    pages += (clean[order] + dirty[order]) << order;
  ASSERT_EQ(pages, model_.free_pages());
  size_t expected[2][kChunkOrder] = {};
  for (size_t place = 0; place < model_.chunk_count(); ++place) {
    for (const BuddyModel::Block& block : model_.blocks(place)) {
      if (block.order < kChunkOrder) ++expected[block.dirty ? 1 : 0][block.order];
    }
  }
  for (unsigned order = 0; order < kChunkOrder; ++order) {
    ASSERT_EQ(clean[order], expected[0][order]) << "order " << order;
    ASSERT_EQ(dirty[order], expected[1][order]) << "order " << order;
  }
  ASSERT_TRUE(buddy_.check_invariants());
}

// The model follows: `count` pages from `start` become free, or no longer are.
void Duel::follow(PageIndex start, PageCount count, bool free) {
  const auto first = model_.modelled(start);
  ASSERT_TRUE(first.has_value() && model_.contiguous(*first, count) == count)
      << start << " was never the buddy's";
  for (size_t page = *first; page < *first + count; ++page) {
    ASSERT_NE(model_.is_free(page), free) << "page " << page;
    model_.set_free(page, free);
  }
}

void Duel::allocate() {
  const unsigned align_order = choices_.one_in(3) ? static_cast<unsigned>(choices_.below(9)) : 0;
  const size_t most = size_t{1} << choices_.below(9);
  const PageCount count = static_cast<PageCount>(choices_.between(1, most));
  const Kind kind = choices_.one_in(2) ? kDirty : kClean;
  const bool exact = choices_.one_in(16);
  const PageIndex expected = exact ? model_.expect_allocate(count, align_order, kind) : kNoPage;
  const PageIndex page = buddy_.allocate(count, align_order, kind);
  if (exact) {
    ASSERT_EQ(page, expected) << count << " pages aligned to order " << align_order;
  }
  if (page == kNoPage) return;
  ASSERT_EQ(page % (1u << align_order), 0u);
  ASSERT_NO_FATAL_FAILURE(follow(page, count, false));
  if (kind == kClean) {
    ASSERT_EQ(count_dirty(page, count), 0u);
  }
}

void Duel::allocate_tight() {
  const PageCount count =
      static_cast<PageCount>(choices_.between(5, choices_.one_in(2) ? 40 : kPagesPerChunk - 1));
  if (is_power_of_two(count)) return;
  const Kind kind = choices_.one_in(2) ? kDirty : kClean;
  const bool exact = choices_.one_in(16);
  const PageIndex expected = exact ? model_.expect_tight(count, kind) : kNoPage;
  const PageIndex page = buddy_.allocate_tight(count, kind);
  if (exact) {
    ASSERT_EQ(page, expected) << count << " pages of kind " << kind;
  }
  if (page != kNoPage) follow(page, count, false);
}

// A run of pages in use, some of them dirty, becomes free: across chunks too.
void Duel::insert() {
  const size_t first = choices_.below(model_.pages());
  const size_t limit = model_.contiguous(first, choices_.between(1, size_t{1} << choices_.below(10)));
  PageCount count = 0;
  while (count < limit && !model_.is_free(first + count))
    ++count;
  if (count == 0) return;
  if (choices_.one_in(2)) mark(first, choices_.between(1, count), choices_.one_in(2));
  buddy_.insert(model_.real(first), count);
  follow(model_.real(first), count, true);
}

void Duel::take() {
  const size_t first = choices_.below(model_.pages());
  const size_t limit = model_.contiguous(first, choices_.between(1, 600));
  PageCount count = 0;
  while (count < limit && model_.is_free(first + count))
    ++count;
  if (count == 0) return;
  buddy_.take(model_.real(first), count);
  follow(model_.real(first), count, false);
}

void Duel::ask_runs() {
  const size_t first = choices_.below(model_.pages());
  const size_t limit = choices_.between(1, 700);
  size_t free = 0;
  while (free < model_.contiguous(first, limit) && model_.is_free(first + free))
    ++free;
  ASSERT_EQ(buddy_.free_run_at(model_.real(first), static_cast<PageCount>(limit)), free);
  ASSERT_EQ(buddy_.is_free(model_.real(first)), model_.is_free(first));
  size_t start = first;
  while (start > 0 && model_.is_free(start - 1) && model_.real(start - 1) + 1 == model_.real(start))
    --start;
  ASSERT_EQ(buddy_.free_run_before(model_.real(first)), model_.real(start));
}

void Duel::ask_find_run() {
  if (!choices_.one_in(8)) return;
  const PageCount count = static_cast<PageCount>(choices_.between(1, 3 * kPagesPerChunk));
  const unsigned align_order = choices_.one_in(2) ? static_cast<unsigned>(choices_.below(9)) : 0;
  ASSERT_EQ(buddy_.find_run(count, align_order), model_.expect_run(count, align_order))
      << count << " pages aligned to order " << align_order;
}

void Duel::ask_highest_dirty() {
  if (!choices_.one_in(8)) return;
  const unsigned min_order = static_cast<unsigned>(choices_.below(9));
  unsigned order = 99;
  const size_t places = choices_.one_in(2) ? model_.chunk_count() : choices_.below(model_.chunk_count() + 1);
  const ChunkIndex end = places == 0 ? 0 : chunk_of_page(model_.real((places - 1) * kPagesPerChunk)) + 1;
  const PageIndex page = buddy_.highest_dirty(min_order, end, &order);
  ASSERT_EQ(page, model_.expect_highest_dirty(min_order, places))
      << "order " << min_order << " below " << end;
  if (page != kNoPage) {
    ASSERT_GE(order, min_order);
  }
}

void Duel::mark(size_t first, size_t count, bool dirty) {
  set_dirty(model_.real(first), static_cast<PageCount>(count), dirty);
  for (size_t page = first; page < first + count; ++page)
    model_.set_dirty(page, dirty);
}

// Of pages in use; and the bits read back in one mask.
void Duel::set_dirty_bits() {
  const size_t first = choices_.below(model_.pages());
  const size_t count = model_.contiguous(first, choices_.between(1, 64));
  size_t used = 0;
  while (used < count && !model_.is_free(first + used))
    ++used;
  if (used > 0) mark(first, used, choices_.one_in(2));
  const uint64_t mask = dirty_mask(model_.real(first), static_cast<PageCount>(count));
  for (size_t i = 0; i < count; ++i)
    ASSERT_EQ((mask >> i & 1) != 0, model_.is_dirty(first + i));
  ASSERT_EQ(count_bits(mask), count_dirty(model_.real(first), static_cast<PageCount>(count)));
}

}  // namespace ashlar::page
