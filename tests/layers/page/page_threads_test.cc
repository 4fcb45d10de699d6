// The page layer under threads: every page belongs to one of them, whatever is purged meanwhile.
#include <thread>

#include "layer_support.h"

namespace ashlar::page {
namespace {

struct Held {
  PageIndex page;
  PageCount count;
};

// Writes who has it into every page.
void sign(const Held& held, uintptr_t who) {
  for (PageCount i = 0; i < held.count; ++i)
    *reinterpret_cast<uintptr_t*>(page_address(held.page + i)) = who + i;
}

size_t forged(const Held& held, uintptr_t who) {
  size_t bad = 0;
  for (PageCount i = 0; i < held.count; ++i) {
    bad += *reinterpret_cast<uintptr_t*>(page_address(held.page + i)) != who + i ? 1 : 0;
  }
  return bad;
}

size_t work(uintptr_t who, uint64_t seed, size_t steps) {
  test::Random random(seed);
  std::vector<Held> live;
  size_t bad = 0;
  for (size_t step = 0; step < steps; ++step) {
    if (live.size() < 5 || (live.size() < 40 && random.one_in(2))) {
      const PageCount count = static_cast<PageCount>(random.between(1, size_t{1} << random.below(10)));
      const Held held{g_pages.allocate_large(count, 0), count};
      if (held.page == kNoPage) return 1000000;
      sign(held, who);
      live.push_back(held);
    } else {
      std::swap(live[random.below(live.size())], live.back());
      Held& held = live.back();
      bad += forged(held, who);
      const PageCount wanted = static_cast<PageCount>(random.between(1, 2 * size_t{held.count}));
      if (random.one_in(3) && g_pages.try_resize_large(held.page, wanted)) {
        held.count = wanted;
        sign(held, who);
      } else {
        bad += g_pages.release_large(held.page) ? 0 : 1;
        live.pop_back();
      }
    }
  }
  for (const Held& held : live) {
    bad += forged(held, who);
    bad += g_pages.release_large(held.page) ? 0 : 1;
  }
  return bad;
}

TEST_F(PageLayerTest, ThreadsShareNoPage) {
  const uint64_t seed = test::seed_or(41);
  SCOPED_TRACE(test::name_seed(seed));
  start({.purge_floor = 0, .purge_share = 64, .regret_limit = 0});
  std::vector<size_t> bad(4);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&bad, t, seed] { bad[t] = work((t + 1) << 40, seed + t, test::scaled(8000)); });
  }
  std::atomic<bool> stop{false};
  std::thread purger([&stop] {
    while (!stop.load()) {
      g_pages.purge_all();
      static_cast<void>(g_pages.check_invariants());
      std::this_thread::yield();
    }
  });
  for (std::thread& thread : threads)
    thread.join();
  stop = true;
  purger.join();
  for (const size_t count : bad)
    EXPECT_EQ(count, 0u);
  EXPECT_EQ(g_pages.counters().live_pages, 0u);
  EXPECT_EQ(g_pages.counters().in_flight_pages, 0u);
  EXPECT_EQ(free_pages(), g_window_owner.opened());
}

}  // namespace
}  // namespace ashlar::page
