// The buddy against the naive model, over a million random operations, and its exact promises one by one.
#include "page/buddy.h"

#include "buddy_model.h"
#include "support/support.h"

namespace ashlar::page {
namespace {

using test::Random;
using test::scaled;

// Opens the window up to the last chunk that a test uses; none of its pages is free at first.
void open_window(ChunkIndex chunks) {
  if (g_window_owner.reserved() == 0) {
    ASSERT_TRUE(g_window_owner.reserve(size_t{chunks + 8} * kChunkSize, 0, Source::kMmap));
  }
  PageIndex start = 0;
  while (g_window_owner.opened_chunks() < chunks) {
    ASSERT_GT(g_window_owner.open(kPagesPerChunk, kPagesPerChunk, &start), 0u);
  }
}

class Duel {
 public:
  Duel(std::vector<ChunkIndex> chunks, uint64_t seed) : model_(std::move(chunks)), random_(seed) {}

  void step() {
    const size_t choice = random_.below(16);
    if (choice < 4) return allocate();
    if (choice < 6) return allocate_tight();
    if (choice < 11) return insert();
    if (choice == 11) return take();
    if (choice == 12) return ask_runs();
    if (choice == 13) return ask_find_run();
    if (choice == 14) return set_dirty_bits();
    ask_highest_dirty();
  }

  void compare_sums() {
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

 private:
  // The model follows: `count` pages from `start` become free, or no longer are.
  void follow(PageIndex start, PageCount count, bool free) {
    const auto first = model_.modelled(start);
    ASSERT_TRUE(first.has_value() && model_.contiguous(*first, count) == count)
        << start << " was never the buddy's";
    for (size_t page = *first; page < *first + count; ++page) {
      ASSERT_NE(model_.is_free(page), free) << "page " << page;
      model_.set_free(page, free);
    }
  }

  void allocate() {
    const unsigned align_order = random_.one_in(3) ? static_cast<unsigned>(random_.below(9)) : 0;
    const size_t most = size_t{1} << random_.below(9);
    const PageCount count = static_cast<PageCount>(random_.between(1, most));
    const Kind kind = random_.one_in(2) ? kDirty : kClean;
    const bool exact = random_.one_in(16);
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

  void allocate_tight() {
    const PageCount count =
        static_cast<PageCount>(random_.between(5, random_.one_in(2) ? 40 : kPagesPerChunk - 1));
    if (is_power_of_two(count)) return;
    const Kind kind = random_.one_in(2) ? kDirty : kClean;
    const bool exact = random_.one_in(16);
    const PageIndex expected = exact ? model_.expect_tight(count, kind) : kNoPage;
    const PageIndex page = buddy_.allocate_tight(count, kind);
    if (exact) {
      ASSERT_EQ(page, expected) << count << " pages of kind " << kind;
    }
    if (page != kNoPage) follow(page, count, false);
  }

  // A run of pages in use, some of them dirty, becomes free: across chunks too.
  void insert() {
    const size_t first = random_.below(model_.pages());
    const size_t limit = model_.contiguous(first, random_.between(1, size_t{1} << random_.below(10)));
    PageCount count = 0;
    while (count < limit && !model_.is_free(first + count))
      ++count;
    if (count == 0) return;
    if (random_.one_in(2)) mark(first, random_.between(1, count), random_.one_in(2));
    buddy_.insert(model_.real(first), count);
    follow(model_.real(first), count, true);
  }

  void take() {
    const size_t first = random_.below(model_.pages());
    const size_t limit = model_.contiguous(first, random_.between(1, 600));
    PageCount count = 0;
    while (count < limit && model_.is_free(first + count))
      ++count;
    if (count == 0) return;
    buddy_.take(model_.real(first), count);
    follow(model_.real(first), count, false);
  }

  void ask_runs() {
    const size_t first = random_.below(model_.pages());
    const size_t limit = random_.between(1, 700);
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

  void ask_find_run() {
    if (!random_.one_in(8)) return;
    const PageCount count = static_cast<PageCount>(random_.between(1, 3 * kPagesPerChunk));
    const unsigned align_order = random_.one_in(2) ? static_cast<unsigned>(random_.below(9)) : 0;
    ASSERT_EQ(buddy_.find_run(count, align_order), model_.expect_run(count, align_order))
        << count << " pages aligned to order " << align_order;
  }

  void ask_highest_dirty() {
    if (!random_.one_in(8)) return;
    const unsigned min_order = static_cast<unsigned>(random_.below(9));
    unsigned order = 99;
    const size_t places = random_.one_in(2) ? model_.chunk_count() : random_.below(model_.chunk_count() + 1);
    const ChunkIndex end = places == 0 ? 0 : chunk_of_page(model_.real((places - 1) * kPagesPerChunk)) + 1;
    const PageIndex page = buddy_.highest_dirty(min_order, end, &order);
    ASSERT_EQ(page, model_.expect_highest_dirty(min_order, places))
        << "order " << min_order << " below " << end;
    if (page != kNoPage) {
      ASSERT_GE(order, min_order);
    }
  }

  void mark(size_t first, size_t count, bool dirty) {
    set_dirty(model_.real(first), static_cast<PageCount>(count), dirty);
    for (size_t page = first; page < first + count; ++page)
      model_.set_dirty(page, dirty);
  }

  // Of pages in use; and the bits read back in one mask.
  void set_dirty_bits() {
    const size_t first = random_.below(model_.pages());
    const size_t count = model_.contiguous(first, random_.between(1, 64));
    size_t used = 0;
    while (used < count && !model_.is_free(first + used))
      ++used;
    if (used > 0) mark(first, used, random_.one_in(2));
    const uint64_t mask = dirty_mask(model_.real(first), static_cast<PageCount>(count));
    for (size_t i = 0; i < count; ++i)
      ASSERT_EQ((mask >> i & 1) != 0, model_.is_dirty(first + i));
    ASSERT_EQ(count_bits(mask), count_dirty(model_.real(first), static_cast<PageCount>(count)));
  }

  BuddyModel model_;
  Random random_;
  Buddy buddy_;
};

void fight(const std::vector<ChunkIndex>& chunks, size_t steps, size_t check_each, uint64_t seed) {
  SCOPED_TRACE(test::name_seed(seed));
  open_window(chunks.back() + 1);
  Duel duel(chunks, seed);
  for (size_t step = 0; step < steps; ++step) {
    duel.step();
    if (step % check_each == 0) duel.compare_sums();
    if (::testing::Test::HasFatalFailure()) FAIL() << "at step " << step;
  }
  duel.compare_sums();
}

TEST(Buddy, RandomInAFewChunks) { fight({0, 1, 2}, scaled(1'000'000), 10'000, test::seed_or(11)); }

TEST(Buddy, RandomInOneChunk) { fight({0}, scaled(300'000), 2000, test::seed_or(12)); }

// Chunks on both sides of the end of a group (64) and of a super (4096).
TEST(Buddy, RandomAcrossGroupsAndSupers) {
  fight({0, 63, 64, 65, 127, 4095, 4096, 4097}, scaled(200'000), 50'000, test::seed_or(13));
}

TEST(Buddy, TheTailGoesBackAtOnce) {
  open_window(2);
  Buddy buddy;
  buddy.insert(0, 256);
  EXPECT_EQ(buddy.allocate(129, 0, kClean), 0u);
  EXPECT_EQ(buddy.free_pages(), 127u);
  EXPECT_EQ(buddy.free_run_at(129, 500), 127u);
  size_t clean[kMaxOrder + 1], dirty[kMaxOrder + 1];
  buddy.count_blocks(clean, dirty);
  for (unsigned order = 0; order < 7; ++order)
    EXPECT_EQ(clean[order], 1u) << order;  // 127 = 1 + 2 + ... + 64
  buddy.insert(0, 129);                    // and coalesces again
  buddy.count_blocks(clean, dirty);
  EXPECT_EQ(clean[8], 1u);
  for (unsigned order = 0; order < 8; ++order)
    EXPECT_EQ(clean[order], 0u) << order;
}

TEST(Buddy, OneDirtyPageMakesABlockDirty) {
  open_window(1);
  Buddy buddy;
  set_dirty(77, 1, true);
  buddy.insert(0, 256);
  EXPECT_EQ(buddy.dirty_pages(), 1u);
  EXPECT_EQ(buddy.allocate(256, 8, kClean), kNoPage);
  EXPECT_EQ(buddy.allocate(256, 8, kDirty), 0u);
  EXPECT_EQ(buddy.free_pages() + buddy.dirty_pages(), 0u);
}

TEST(Buddy, RunsOfChunksCountAsMaximalBlocks) {
  open_window(8);
  Buddy buddy;
  buddy.insert(0, 7 * kPagesPerChunk);  // 4 + 2 + 1 chunks
  size_t clean[kMaxOrder + 1], dirty[kMaxOrder + 1];
  buddy.count_blocks(clean, dirty);
  EXPECT_EQ(clean[10], 1u);
  EXPECT_EQ(clean[9], 1u);
  EXPECT_EQ(clean[8], 1u);
}

TEST(BuddyDeathTest, TakingWhatIsNotFreeStops) {
  open_window(1);
  Buddy buddy;
  buddy.insert(0, 10);
  EXPECT_EXIT(buddy.take(5, 6), ::testing::KilledBySignal(SIGABRT), "broken invariant");
}

}  // namespace
}  // namespace ashlar::page
