// The whole heap on a system that refuses: the Nth call for every N, advice, room, membarrier. Each run in a
// child, since a process has one heap. Whatever fails: no crash, live data stays, the books balance.
#include <unistd.h>

#include <thread>

#include "base/options.h"
#include "debug/verify.h"
#include "fakes/faulty_sys.h"
#include "fakes/workload.h"
#include "heap/heap.h"
#include "page/direct.h"
#include "support/support.h"

namespace ashlar::heap {
namespace {

using fakes::Call;

constexpr int kNotReached = 42;

// Every N; where a child is slow to start, the first forty and then some.
uint64_t next_call(uint64_t nth) {
#ifdef ASHLAR_TEST_TSAN
  return nth + (nth < 40 ? 1 : 23);
#else
  return nth + 1;
#endif
}

// 0: the fault was met and survived; kNotReached: the run ended before it.
int run_with_fault(uint64_t nth) {
  return test::run_in_child([nth] {
    configure_small();
    fakes::reset();
    fakes::fail_nth(nth);
    Workload workload;
    workload.run();
    const bool reached = fakes::nth_was_reached();
    fakes::fail_nth(0);
    workload.finish();
    if (!reached && !::testing::Test::HasFailure()) _exit(kNotReached);
  });
}

TEST(FaultyHeap, TheNthCallFailsForEveryN) {
  uint64_t nth = 1;
  for (;; nth = next_call(nth)) {
    const int result = run_with_fault(nth);
    if (result == kNotReached) break;
    ASSERT_EQ(result, 0) << "call " << nth;
    ASSERT_LT(nth, 20'000u) << "it never ends";
  }
  EXPECT_GT(nth, 50u);
}

TEST(FaultyHeap, TheNthCallFailsOnTheBreak) {
  for (uint64_t nth = 1;; nth = next_call(nth)) {
    const int result = test::run_in_child([nth] {
      configure_small();
      g_options.source = 1;
      fakes::reset();
      fakes::fail_nth(nth);
      Workload workload;
      workload.run();
      const bool reached = fakes::nth_was_reached();
      fakes::fail_nth(0);
      workload.finish();
      if (!reached && !::testing::Test::HasFailure()) _exit(kNotReached);
    });
    if (result == kNotReached) break;
    ASSERT_EQ(result, 0) << "call " << nth;
  }
}

void run_without(Call call) {
  configure_small();
  fakes::reset();
  fakes::fail_always(call, true);
  Workload workload;
  workload.run();
  workload.finish();
}

// Pages that stay dirty are not zero: calloc in the workload finds out who trusts them.
TEST(FaultyHeap, AdviceThatAlwaysFails) {
  EXPECT_EQ(test::run_in_child([] {
              run_without(Call::kMadvise);
              EXPECT_GT(fakes::failures(Call::kMadvise), 0u);
              EXPECT_EQ(page::g_pages.counters().purged_pages, 0u);
            }),
            0);
}

TEST(FaultyHeap, EveryKindThatAlwaysFails) {
  for (unsigned kind = 0; kind < static_cast<unsigned>(Call::kCount); ++kind) {
    EXPECT_EQ(test::run_in_child([kind] { run_without(static_cast<Call>(kind)); }), 0) << "kind " << kind;
  }
}

// Neither window nor mappings: every request is null, nothing crashes, and it works once there is room.
TEST(FaultyHeap, NothingAtAll) {
  EXPECT_EQ(test::run_in_child([] {
              configure_small();
              fakes::reset();
              fakes::fail_always(Call::kMmap, true);
              for (const size_t size : {0u, 1u, 1000u, 100'000u, 5'000'000u}) {
                EXPECT_EQ(allocate(size), nullptr);
                EXPECT_EQ(allocate_zeroed(size), nullptr);
                EXPECT_EQ(allocate_aligned(64, size), nullptr);
                EXPECT_EQ(reallocate(nullptr, size), nullptr);
              }
              deallocate(nullptr);
              purge();
              fakes::reset();
              Workload workload;
              workload.run();
              EXPECT_EQ(workload.refused(), 0u);
              workload.finish();
            }),
            0);
}

TEST(FaultyHeap, ExhaustionIsNullAndRecovers) {
  EXPECT_EQ(test::run_in_child([] {
              configure_small();
              fakes::reset();
              fakes::limit_opened(12 * kMiB);
              deallocate(allocate(1));
              fakes::fail_always(Call::kMmap, true);
              for (int round = 0; round < 3; ++round) {
                for (const size_t size : {40u, 1000u, 20'000u, 200'000u}) {
                  std::vector<Block> blocks;
                  while (void* const p = allocate(size)) {
                    const unsigned char value = static_cast<unsigned char>(blocks.size() % 250 + 1);
                    memset(p, value, size);
                    blocks.push_back({static_cast<unsigned char*>(p), size, value});
                  }
                  EXPECT_GT(blocks.size() * size, 3 * kMiB) << size;
                  EXPECT_EQ(allocate_zeroed(size), nullptr);
                  EXPECT_EQ(reallocate(blocks[0].start, 2 * kMiB), nullptr);
                  for (const Block& block : blocks)
                    ASSERT_TRUE(intact(block));
                  ASSERT_EQ(debug::verify_heap(2), 0);
                  for (const Block& block : blocks)
                    deallocate(block.start);
                }
              }
              void* const p = allocate(2 * kMiB / 3);
              EXPECT_NE(p, nullptr);
              deallocate(p);
            }),
            0);
}

// A block beyond the direct threshold that found no mapping of its own shrinks where it is.
TEST(FaultyHeap, AWindowBlockBeyondTheThresholdShrinksInPlace) {
  EXPECT_EQ(test::run_in_child([] {
              configure_small();
              fakes::reset();
              const size_t size = 4 * g_options.direct_threshold;
              deallocate(allocate(1));
              fakes::fail_always(Call::kMmap, true);
              char* const p = static_cast<char*>(allocate(size));
              ASSERT_NE(p, nullptr);
              PageIndex page = 0;
              ASSERT_TRUE(page::find_page(p, &page));
              memset(p, 7, size);
              fakes::reset();
              EXPECT_EQ(reallocate(p, size / 4 * 3), p);
              EXPECT_EQ(usable_size(p), size / 4 * 3);
              for (size_t i = 0; i < size / 4 * 3; ++i)
                ASSERT_EQ(p[i], 7) << i;
              deallocate(p);
              EXPECT_EQ(debug::verify_heap(2), 0);
            }),
            0);
}

// Without membarrier every entry of the slow path pays a fence; the gate of a fork works all the same.
TEST(FaultyHeap, ForkWithoutMembarrier) {
  EXPECT_EQ(test::run_in_child([] {
              fakes::reset();
              fakes::fail_always(Call::kMembarrier, true);
              // The heap starts with the process's first block, and the gate with it: in a real process
              // before there can be a second thread, since pthread_create allocates. Here, only now.
              deallocate(allocate(1));
              std::atomic<bool> stop{false};
              std::vector<std::thread> threads;
              for (int t = 0; t < 2; ++t) {
                threads.emplace_back([&stop, t] {
                  test::Random random(410 + static_cast<uint64_t>(t));
                  std::vector<void*> held(300);
                  while (!stop) {
                    void*& p = held[random.below(held.size())];
                    deallocate(p);
                    p = allocate(random.below(random.one_in(20) ? 100'000 : 3000));
                  }
                  for (void* const p : held)
                    deallocate(p);
                });
              }
              for (size_t round = 0; round < test::scaled(80); ++round) {
                EXPECT_EQ(test::run_in_child([] {
                            std::vector<void*> blocks(2000);
                            for (size_t i = 0; i < blocks.size(); ++i)
                              blocks[i] = allocate(i * 7 % 5000);
                            for (void* const p : blocks)
                              deallocate(p);
                            EXPECT_EQ(debug::verify_heap(2), 0);
                          }),
                          0);
              }
              stop = true;
              for (std::thread& thread : threads)
                thread.join();
            }),
            0);
}

}  // namespace
}  // namespace ashlar::heap
