// Reading the statistics while other threads allocate: a near-simultaneous reading, but no nonsense.
#include <atomic>
#include <thread>

#include "stats_support.h"

namespace ashlar::stats {
namespace {

TEST(Concurrent, ReadingDisturbsNobody) {
  heap::deallocate(heap::allocate(1));
  std::atomic<bool> stop{false};
  std::atomic<size_t> bad{0};
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 3; ++t) {
    threads.emplace_back([&stop, &bad, t] {
      test::Random random(321 + t);
      std::vector<std::pair<unsigned char*, size_t>> held(2000);
      while (!stop.load(std::memory_order_relaxed)) {
        auto& [start, size] = held[random.below(held.size())];
        if (start != nullptr && (start[0] != t + 1 || start[size - 1] != t + 1)) ++bad;
        heap::deallocate(start);
        size = random.between(1, random.one_in(50) ? 200'000 : 2000);
        start = static_cast<unsigned char*>(heap::allocate(size));
        start[0] = start[size - 1] = static_cast<unsigned char>(t + 1);
      }
      for (const auto& [start, size] : held)
        heap::deallocate(start);
    });
  }
  for (size_t round = 0; round < test::scaled(200); ++round) {
    const auto stats = snapshot();
    const Totals totals = read_totals();
    for (unsigned i = 1; i < stats->classes; ++i) {
      const struct ashlar_class_stats& entry = stats->size_class[i];
      ASSERT_LE(entry.live_slots, entry.slots);
      ASSERT_LE(entry.bin_slots, entry.slots);
      ASSERT_LE(entry.free_slots, entry.slots);
    }
    ASSERT_LE(stats->live_bytes, 1024 * kMiB);
    ASSERT_LE(totals.live, 1024 * kMiB);
    ASSERT_LE(totals.cached, 1024 * kMiB);
    ASSERT_LE(stats->window_opened, stats->window_reserved);
  }
  stop = true;
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_EQ(bad.load(), 0u);
  EXPECT_EQ(debug::verify_heap(2), 0);
  EXPECT_EQ(snapshot()->live_bytes, 0u);
}

}  // namespace
}  // namespace ashlar::stats
