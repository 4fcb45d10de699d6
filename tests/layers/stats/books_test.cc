// The sums within the statistics, their formulas worked out anew, and what is printed of them.
#include <sys/prctl.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/options.h"
#include "os/system.h"
#include "stats_support.h"

namespace ashlar::stats {
namespace {

using Json = nlohmann::json;

// As the kernel says it.
std::string own_name() {
  std::string name;
  std::getline(std::ifstream("/proc/self/comm"), name);
  return name;
}

// A heap with something in every drawer.
class BooksTest : public ::testing::Test {
 protected:
  void SetUp() override {
    test::Random random(311);
    for (int i = 0; i < 30'000; ++i)
      blocks_.push_back(filled(random.between(1, 3000)));
    for (int i = 0; i < 60; ++i)
      blocks_.push_back(filled(random.between(40'000, 900'000)));
    blocks_.push_back(filled(40 * kMiB));
    for (size_t i = 0; i < blocks_.size(); ++i) {
      if (random.one_in(3)) {
        heap::deallocate(blocks_[i]);
        blocks_[i] = nullptr;
      }
    }
  }
  void TearDown() override {
    for (void* const block : blocks_)
      heap::deallocate(block);
  }

  std::vector<void*> blocks_;
};

TEST_F(BooksTest, OpenedIsLivePlusCachedPlusFree) {
  const auto stats = snapshot();
  EXPECT_EQ(stats->window_opened, stats->live_bytes + stats->cached_bytes + stats->free_bytes);
  size_t live = 0;
  for (void* const block : blocks_) {
    PageIndex page = 0;
    if (block != nullptr && page::find_page(block, &page)) live += heap::usable_size(block);
  }
  EXPECT_EQ(stats->live_bytes, live);
  EXPECT_LE(stats->window_opened, stats->window_reserved);
  EXPECT_GE(stats->peak_opened, stats->window_opened + stats->direct_bytes);
}

TEST_F(BooksTest, EveryClassAddsUp) {
  const auto stats = snapshot();
  EXPECT_EQ(stats->classes, slab::kClassCount);
  size_t live_slots[slab::kClassCount] = {};
  for (void* const block : blocks_) {
    if (block != nullptr && heap::usable_size(block) <= slab::kMaxSlotSize) {
      ++live_slots[slab::class_of_size(heap::usable_size(block))];
    }
  }
  for (unsigned i = 1; i < stats->classes; ++i) {
    const struct ashlar_class_stats& entry = stats->size_class[i];
    SCOPED_TRACE(entry.size);
    EXPECT_EQ(entry.size, slab::kClasses[i].size);
    EXPECT_EQ(entry.live_slots + entry.bin_slots + entry.free_slots, entry.slots);
    EXPECT_EQ(entry.live_slots, live_slots[i]);
    EXPECT_EQ(entry.slots, entry.slabs * slab::kClasses[i].slots);
    EXPECT_EQ(entry.slab_bytes, entry.slabs * (kPageSize << slab::kClasses[i].order));
    EXPECT_LE(entry.resident, entry.slab_bytes);
    EXPECT_LE(entry.sampled_requested, entry.sampled_granted);
    size_t slabs = 0;
    for (const size_t count : entry.occupancy)
      slabs += count;
    EXPECT_EQ(slabs, entry.slabs);
  }
}

TEST_F(BooksTest, OrdersSumToTheFreeBytesAndGiveTheIndices) {
  const auto stats = snapshot();
  double free = 0, largest = 0;
  for (unsigned order = 0; order < stats->orders; ++order) {
    const double blocks =
        static_cast<double>(stats->order[order].free_clean + stats->order[order].free_dirty);
    free += blocks * std::ldexp(4096, static_cast<int>(order));
    if (blocks > 0) largest = std::ldexp(4096, static_cast<int>(order));
  }
  EXPECT_EQ(free, static_cast<double>(stats->free_bytes));
  EXPECT_GT(free, 0);
  for (unsigned order = 0; order < stats->orders; ++order) {  // (F - sum over i >= j of 2^i k_i) / F
    double usable = 0;
    for (unsigned i = order; i < stats->orders; ++i) {
      usable += static_cast<double>(stats->order[i].free_clean + stats->order[i].free_dirty) *
                std::ldexp(4096, static_cast<int>(i));
    }
    EXPECT_NEAR(stats->order[order].unusable_free_space, (free - usable) / free, 1e-9) << order;
  }
  EXPECT_EQ(stats->order[0].unusable_free_space, 0);
  EXPECT_NEAR(stats->external_fragmentation, 1 - largest / free, 1e-9);
  EXPECT_GE(stats->slab_fragmentation, 0);
  EXPECT_LE(stats->slab_fragmentation, 1);
}

TEST_F(BooksTest, TheCheapSumsAreTheSame) {
  const auto stats = snapshot();
  const Totals totals = read_totals();
  EXPECT_EQ(totals.opened, stats->window_opened);
  EXPECT_EQ(totals.live, stats->live_bytes);
  EXPECT_EQ(totals.cached, stats->cached_bytes);
  EXPECT_EQ(totals.dirty, stats->dirty_bytes);
  EXPECT_EQ(totals.direct_bytes, stats->direct_bytes);
  EXPECT_EQ(totals.direct_blocks, stats->direct_blocks);
  EXPECT_EQ(totals.peak, stats->peak_opened);
}

TEST_F(BooksTest, PurgesAreCounted) {
  const auto before = snapshot();
  const size_t bytes = heap::purge();
  const auto after = snapshot();
  EXPECT_EQ(after->purged_bytes - before->purged_bytes, bytes);
  EXPECT_GE(after->hole_purged_bytes, before->hole_purged_bytes);
  EXPECT_GT(after->purge_calls, before->purge_calls);
  EXPECT_EQ(after->purge_failures, 0u);
  if (os::page_size() == kPageSize) {
    EXPECT_EQ(after->dirty_bytes, 0u);
  } else {  // what shares a larger page of the kernel's with live blocks stays: less than one at either end
    EXPECT_LT(after->dirty_bytes, 2 * os::page_size() * (after->large_blocks + 1));
  }
}

TEST_F(BooksTest, JsonIsTheStruct) {
  ASSERT_EQ(prctl(PR_SET_NAME, "a \"b\\ \t", 0, 0, 0), 0);
  const auto stats = snapshot();
  const std::string text = test::output_of(1, [&stats] {
    Writer writer(1);
    print_json(writer, *stats);
    ASSERT_EQ(writer.finish(), 0);
  });
  const Json json = Json::parse(text);
  EXPECT_EQ(json.at("program").get<std::string>(), "a \"b\\ ?");
  EXPECT_EQ(json.at("pid").get<int>(), getpid());
#define EXPECT_FIELD(name) EXPECT_EQ(json.at(#name).get<size_t>(), stats->name)
  EXPECT_FIELD(resident_live);
  EXPECT_FIELD(resident_holes);
  EXPECT_FIELD(resident_bins);
  EXPECT_FIELD(resident_dirty);
  EXPECT_FIELD(resident_metadata);
  EXPECT_FIELD(resident_foreign);
  EXPECT_FIELD(accounted);
  EXPECT_FIELD(kernel_rss);
  EXPECT_FIELD(window_reserved);
  EXPECT_FIELD(window_opened);
  EXPECT_FIELD(live_bytes);
  EXPECT_FIELD(free_bytes);
  EXPECT_FIELD(cached_bytes);
  EXPECT_FIELD(direct_bytes);
  EXPECT_FIELD(direct_blocks);
  EXPECT_FIELD(large_blocks);
  EXPECT_FIELD(peak_opened);
  EXPECT_FIELD(dirty_bytes);
  EXPECT_FIELD(dirty_budget);
  EXPECT_FIELD(purged_bytes);
  EXPECT_FIELD(purged_again);
  EXPECT_FIELD(hole_purged_bytes);
  EXPECT_FIELD(purge_calls);
  EXPECT_FIELD(purge_failures);
  EXPECT_FIELD(thread_caches);
  EXPECT_FIELD(lost_in_fork);
#undef EXPECT_FIELD
  EXPECT_NEAR(json.at("slab_fragmentation").get<double>(), stats->slab_fragmentation, 1e-6);
  EXPECT_NEAR(json.at("external_fragmentation").get<double>(), stats->external_fragmentation, 1e-6);
  size_t slots = 0, expected_slots = 0;
  for (const Json& entry : json.at("classes")) {
    slots += entry.at("live_slots").get<size_t>() + entry.at("bin_slots").get<size_t>() +
             entry.at("free_slots").get<size_t>();
    EXPECT_EQ(entry.at("occupancy").size(), size_t{ASHLAR_OCCUPANCY_STEPS});
  }
  for (unsigned i = 1; i < stats->classes; ++i)
    expected_slots += stats->size_class[i].slots;
  EXPECT_EQ(slots, expected_slots);
  ASSERT_EQ(json.at("orders").size(), stats->orders);
  for (unsigned order = 0; order < stats->orders; ++order) {
    EXPECT_EQ(json["orders"][order].at("free_dirty").get<size_t>(), stats->order[order].free_dirty);
    EXPECT_EQ(json["orders"][order].at("free_clean").get<size_t>(), stats->order[order].free_clean);
    EXPECT_NEAR(json["orders"][order].at("unusable_free_space").get<double>(),
                stats->order[order].unusable_free_space, 1e-6);
  }
}

TEST_F(BooksTest, TextNamesEveryLayerAndOption) {
  const auto stats = snapshot();
  const std::string text = test::output_of(1, [&stats] {
    Writer writer(1);
    print_text(writer, *stats);
    print_options(writer);
    ASSERT_EQ(writer.finish(), 0);
  });
  const std::string heading = text.substr(0, text.find('\n'));
  EXPECT_TRUE(heading.starts_with("Ashlar ")) << heading;
  EXPECT_TRUE(heading.ends_with(" statistics of " + own_name() + ", process " + std::to_string(getpid())))
      << heading;
  for (const char* const part :
       {"live", "slab holes", "thread caches", "dirty", "metadata", "not ours", "RSS by the kernel"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part;
  }
  for (const OptionInfo& option : kOptionInfos) {
    EXPECT_NE(text.find(std::string("\n") + option.key + ":"), std::string::npos) << option.key;
  }
}

}  // namespace
}  // namespace ashlar::stats
