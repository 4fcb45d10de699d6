// Slabs under threads that take, put and purge. Every slot carries its owner's name while it is taken: a
// slot that is handed out twice is found by the one who comes back to another's name.
#include <thread>

#include "slab_support.h"

namespace ashlar::slab {
namespace {

struct Owned {
  uintptr_t* slot;
  unsigned index;
};

// A slot's words but the first, which links chains while it is in none of our hands.
size_t words_of(unsigned index) { return kClasses[index].size / sizeof(uintptr_t); }

void sign(const Owned& owned, uintptr_t who) {
  for (size_t i = 0; i < words_of(owned.index); ++i)
    owned.slot[i] = who;
}
bool is_signed(const Owned& owned, uintptr_t who) {
  for (size_t i = 0; i < words_of(owned.index); ++i) {
    if (owned.slot[i] != who) return false;
  }
  return true;
}

// Slots that other threads took, for this one to put back.
struct Mailbox {
  std::mutex mutex;
  std::vector<Owned> slots;
};

size_t work(uintptr_t who, uint64_t seed, size_t steps, Mailbox* out, Mailbox* in) {
  test::Random random(seed);
  const unsigned classes[] = {1, 8, 32, 40};
  std::vector<Owned> mine;
  size_t bad = 0;
  for (size_t step = 0; step < steps; ++step) {
    const size_t choice = random.below(100);
    if (choice < 10 && mine.size() < 2000) {
      const unsigned index = classes[random.below(std::size(classes))];
      const Chain chain = take_slots(index, static_cast<unsigned>(random.between(1, 60)));
      for (void* slot = chain.head; slot != nullptr;) {
        const Owned owned{static_cast<uintptr_t*>(slot), index};
        slot = *static_cast<void**>(slot);
        sign(owned, who);
        mine.push_back(owned);
      }
    } else if (choice < 90 && !mine.empty()) {
      std::swap(mine[random.below(mine.size())], mine.back());
      const Owned owned = mine.back();
      mine.pop_back();
      bad += is_signed(owned, who) ? 0 : 1;
      if (random.one_in(3)) {
        sign(owned, 1);
        std::lock_guard guard(out->mutex);
        out->slots.push_back(owned);
      } else {
        sign(owned, 0);
        put(owned.slot, owned.index);
      }
    } else if (choice < 96) {
      std::vector<Owned> theirs;
      {
        std::lock_guard guard(in->mutex);
        theirs.swap(in->slots);
      }
      for (const Owned& owned : theirs) {
        bad += is_signed(owned, 1) ? 0 : 1;
        put(owned.slot, owned.index);
      }
    } else if (choice < 98) {
      purge_candidates(100, 4, Yield::kAny);
    } else if (random.one_in(20)) {
      purge_all_holes();
    } else {
      release_kept();
    }
  }
  for (const Owned& owned : mine) {
    bad += is_signed(owned, who) ? 0 : 1;
    put(owned.slot, owned.index);
  }
  return bad;
}

TEST_F(SlabTest, ThreadsOwnTheirSlotsAlone) {
  const uint64_t seed = test::seed_or(121);
  SCOPED_TRACE(test::name_seed(seed));
  constexpr size_t kThreads = 4;
  Mailbox boxes[kThreads];
  size_t bad[kThreads] = {};
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      bad[t] = work(100 + t, seed + t, test::scaled(300'000), &boxes[t], &boxes[(t + 1) % kThreads]);
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  for (Mailbox& box : boxes) {
    for (const Owned& owned : box.slots)
      put(owned.slot, owned.index);
  }
  for (size_t t = 0; t < kThreads; ++t)
    EXPECT_EQ(bad[t], 0u) << "thread " << t;
  EXPECT_TRUE(check_invariants());
  release_kept();
  EXPECT_EQ(live_pages(), 0u);  // every slot came back, every slab died
}

// Two slots of one slab, two threads, and a third that purges: the shortest cycle of birth and death.
TEST_F(SlabTest, ThreadsOnOneSlab) {
  std::atomic<size_t> bad{0};
  std::vector<std::thread> threads;
  for (uintptr_t t = 0; t < 3; ++t) {
    threads.emplace_back([t, &bad] {
      for (size_t round = 0; round < test::scaled(60'000); ++round) {
        const Chain chain = take_slots(48, 1);
        const Owned owned{static_cast<uintptr_t*>(chain.head), 48};
        sign(owned, 10 + t);
        if (round % 7 == t) purge_holes_of(place_of(owned.slot, 48).unit);
        bad += is_signed(owned, 10 + t) ? 0 : 1;
        put(owned.slot, 48);
        if (round % 5 == t) release_kept();
      }
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_EQ(bad.load(), 0u);
  release_kept();
  EXPECT_EQ(live_pages(), 0u);
}

}  // namespace
}  // namespace ashlar::slab
