// Four threads with a shadow heap each, which hand blocks to one another: half of the frees are remote.
// Between rounds they stand still, and the verifier walks everything.
#include <barrier>
#include <mutex>
#include <thread>

#include "heap_support.h"
#include "shadow_heap.h"

namespace ashlar::heap {
namespace {

constexpr size_t kThreads = 4;

struct Mailbox {
  std::mutex mutex;
  std::vector<ShadowBlock> blocks;
};

struct Stage {
  Mailbox boxes[kThreads];
  std::barrier<> barrier{kThreads};
  std::atomic<bool> failed{false};
};

void exchange(ShadowHeap& shadow, Stage& stage, size_t self, test::Random& random) {
  if (shadow.blocks() > 0) {
    Mailbox& out = stage.boxes[random.below(kThreads)];
    const ShadowBlock block = shadow.give_away();
    std::lock_guard guard(out.mutex);
    out.blocks.push_back(block);
  }
  if (!random.one_in(8)) return;
  std::vector<ShadowBlock> found;
  {
    std::lock_guard guard(stage.boxes[self].mutex);
    found.swap(stage.boxes[self].blocks);
  }
  for (const ShadowBlock& block : found)
    shadow.adopt(block);
}

void work(Stage& stage, size_t self, uint64_t seed, size_t rounds, size_t steps) {
  test::Random random(seed + 100 + self);
  ShadowHeap shadow(seed + self, (self + 1) << 48, 256 * kKiB);
  for (size_t round = 0; round < rounds; ++round) {
    for (size_t step = 0; step < steps && !stage.failed; ++step) {
      shadow.step(4000);
      if (random.one_in(3)) exchange(shadow, stage, self, random);
      if (step % 20'000 == 77 * self) purge();
      if (::testing::Test::HasFailure()) stage.failed = true;
    }
    stage.barrier.arrive_and_wait();
    if (self == round % kThreads) {
      EXPECT_EQ(faults(), 0);
    }
    stage.barrier.arrive_and_wait();
  }
  for (const ShadowBlock& block : stage.boxes[self].blocks)
    shadow.adopt(block);
  shadow.free_all();
}

void run(uint64_t seed, size_t rounds, size_t steps) {
  SCOPED_TRACE(test::name_seed(seed));
  Stage stage;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&stage, t, seed, rounds, steps] { work(stage, t, seed, rounds, steps); });
  }
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_EQ(faults(), 0);
  purge();
  EXPECT_EQ(page::g_pages.counters().live_pages, 0u);
}

TEST(ShadowHeap, ThreadsWithRemoteFrees) { run(test::seed_or(211), 8, test::scaled(100'000)); }

// Threads that are born, work a little, leave blocks behind for others, and die.
TEST(ShadowHeap, ThreadsComeAndGo) {
  const uint64_t seed = test::seed_or(212);
  SCOPED_TRACE(test::name_seed(seed));
  Mailbox left;
  for (size_t round = 0; round < test::scaled(300); ++round) {
    std::vector<std::thread> threads;
    for (size_t t = 0; t < 3; ++t) {
      threads.emplace_back([&left, seed, round, t] {
        ShadowHeap shadow(seed + round * 3 + t, (round * 3 + t + 1) << 32, 64 * kKiB);
        std::vector<ShadowBlock> found;
        {
          std::lock_guard guard(left.mutex);
          found.swap(left.blocks);
        }
        for (const ShadowBlock& block : found)
          shadow.adopt(block);
        for (int step = 0; step < 500; ++step)
          shadow.step(300);
        std::lock_guard guard(left.mutex);
        while (shadow.blocks() > 0)
          left.blocks.push_back(shadow.give_away());
      });
    }
    for (std::thread& thread : threads)
      thread.join();
    while (left.blocks.size() > 500) {
      deallocate(left.blocks.back().start);
      left.blocks.pop_back();
    }
    if (round % 50 == 0) {
      ASSERT_EQ(faults(), 0);
    }
    if (::testing::Test::HasFailure()) return;
  }
  for (const ShadowBlock& block : left.blocks)
    deallocate(block.start);
  purge();
  EXPECT_EQ(faults(), 0);
  EXPECT_EQ(page::g_pages.counters().live_pages, 0u);
}

}  // namespace
}  // namespace ashlar::heap
