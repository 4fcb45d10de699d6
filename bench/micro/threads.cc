// Threads: blocks handed from the thread that allocates to one that frees, and threads that live
// for a hundred blocks.
#include <pthread.h>
#include <sched.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>

#include "micro/harness.h"
#include "micro/mapped_array.h"
#include "micro/random.h"

namespace ashlar::bench {

namespace {

constexpr size_t kRingSlots = 1024;  // a power of two
constexpr size_t kStretch = 64;      // divides kRingSlots
constexpr size_t kSizeTable = 4096;  // a power of two
constexpr size_t kCacheLine = 64;
constexpr size_t kBlocksPerThread = 100;

// One producer, one consumer. Positions are published once a stretch of blocks, and the other side's
// is read only when the ring looks full or empty: the cache lines that the ring itself moves between
// the cores would otherwise cost more than the allocator. A null block ends the stream.
class Ring {
 public:
  void push(void* block) {
    while (written_ - seen_popped_ == kRingSlots) {
      seen_popped_ = popped_.load(std::memory_order_acquire);  // ORDER: pairs with pop's release
      if (written_ - seen_popped_ == kRingSlots) sched_yield();
    }
    slots_[written_++ % kRingSlots] = block;
    if (written_ % kStretch == 0 || block == nullptr) pushed_.store(written_, std::memory_order_release);
  }

  void* pop() {
    while (taken_ == seen_pushed_) {
      seen_pushed_ = pushed_.load(std::memory_order_acquire);  // ORDER: pairs with push's release
      if (taken_ == seen_pushed_) sched_yield();
    }
    void* const block = slots_[taken_++ % kRingSlots];
    if (taken_ % kStretch == 0) popped_.store(taken_, std::memory_order_release);
    return block;
  }

 private:
  alignas(kCacheLine) size_t written_ = 0;  // the producer's
  size_t seen_popped_ = 0;                  // the producer's
  alignas(kCacheLine) size_t taken_ = 0;    // the consumer's
  size_t seen_pushed_ = 0;                  // the consumer's
  alignas(kCacheLine) std::atomic<size_t> pushed_{0};
  alignas(kCacheLine) std::atomic<size_t> popped_{0};
  alignas(kCacheLine) std::array<void*, kRingSlots> slots_{};
};

void* free_all(void* ring) {
  while (void* const block = static_cast<Ring*>(ring)->pop())
    free(block);
  return nullptr;
}

void hand_over(benchmark::State& state, size_t low, size_t high) {
  MappedArray<uint16_t> sizes(kSizeTable);
  Random random(4);
  fill_with_sizes(sizes, low, high, random);
  Ring ring;
  PeakRss peak(state);
  pthread_t consumer;
  if (pthread_create(&consumer, nullptr, free_all, &ring) != 0) {
    state.SkipWithError("cannot start the consumer");
    return;
  }
  size_t i = 0;
  for (auto _ : state) {
    ring.push(write_first_word(escape(malloc(sizes[i % kSizeTable])), i));
    ++i;
  }
  ring.push(nullptr);
  pthread_join(consumer, nullptr);
  state.SetItemsProcessed(state.iterations());
  peak.report();
}

void* live_briefly(void*) {
  std::array<void*, kBlocksPerThread> blocks;
  for (size_t i = 0; i < kBlocksPerThread; ++i) {
    blocks[i] = write_first_word(escape(malloc(16 + i % 16 * 64)), i);
  }
  for (void* const block : blocks)
    free(block);
  return nullptr;
}

void churn(benchmark::State& state) {
  PeakRss peak(state);
  for (auto _ : state) {
    pthread_t thread;
    if (pthread_create(&thread, nullptr, live_briefly, nullptr) != 0) {
      state.SkipWithError("cannot start a thread");
      break;
    }
    pthread_join(thread, nullptr);
  }
  state.SetItemsProcessed(state.iterations());
  peak.report();
}

}  // namespace

void add_threads() {
  add("handover/64", [](benchmark::State& state) { hand_over(state, 64, 64); });
  add("handover/mixed", [](benchmark::State& state) { hand_over(state, 16, 1024); });
  add("thread_churn", churn);
}

}  // namespace ashlar::bench
