// The slab word and its exclusion bit: takers and givers of one slab, in all interleavings.
#include "slab_scenario.h"

namespace ashlar::slab {
namespace {

using model::Atomic;
using model::expect_found;
using model::expect_proved;
using model::Kind;
using model::Program;
using model::require;

void* g_held[8];
std::atomic<void*> g_mailbox;

class ModelWord : public ::testing::Test {
 protected:
  // One slab with `out` slots in use.
  void start(unsigned out) {
    start_slabs();
    for (unsigned i = 0; i < out; ++i)
      g_held[i] = get_before(kSmall);
  }
};

// Gives back what was taken before and what the threads have taken.
template <unsigned kBefore>
void give_rest() {
  for (unsigned i = 0; i < kBefore; ++i)
    give_first(g_held[i], kSmall);
  check_empty();
}

Program take_and_give() {
  Program program;
  const auto body = [] { give(get(kSmall), kSmall); };
  program.threads = {body, body};
  program.finish = give_rest<1>;
  program.stale_loads = model::old_values(1, 2);
  return program;
}

TEST_F(ModelWord, TwoTakeAndGive) {
  start(1);
  expect_proved(take_and_give());
}

TEST_F(ModelWord, DeepTwoTakeAFewAtOnce) {
  start(1);
  static void* taken[2];
  Program program;
  program.threads = {[] {
                       const Chain chain = take_slots(kSmall, 3);
                       void* slot = chain.head;
                       for (unsigned i = 0; i < chain.length; ++i) {
                         void* const next = *static_cast<void**>(slot);
                         model::claim(slot);
                         give(slot, kSmall);
                         slot = next;
                       }
                     },
                     [] { taken[1] = get(kSmall); }};
  program.finish = [] {
    give(taken[1], kSmall);
    give_rest<1>();
  };
  program.stale_loads = 1;
  model::expect_unbroken(program, 1'000'000);
}

// Two slots of one slab freed at once, and one taken: the count and the bits agree.
TEST_F(ModelWord, DeepTwoGiveOneTakes) {
  start(4);
  static void* taken;
  Program program;
  program.threads = {[] { give_first(g_held[0], kSmall); }, [] { give_first(g_held[1], kSmall); },
                     [] { taken = get(kSmall); }};
  program.finish = [] {
    give(taken, kSmall);
    give_first(g_held[2], kSmall);
    give_first(g_held[3], kSmall);
    check_empty();
  };
  program.stale_loads = 0;
  model::expect_unbroken(program, 1'000'000);
}

// The slab's last free slot: who finds it gone makes a new slab.
TEST_F(ModelWord, TwoWantTheLast) {
  start(7);
  static void* taken[2];
  Program program;
  program.threads = {[] { taken[0] = get(kSmall); }, [] { taken[1] = get(kSmall); }};
  program.finish = [] {
    check_all();
    give(taken[0], kSmall);
    give(taken[1], kSmall);
    give_rest<7>();
  };
  expect_proved(program);
}

// A full slab: one frees, the other takes at the same time.
TEST_F(ModelWord, GiveAgainstTakeOfAFullSlab) {
  start(8);
  static void* taken;
  Program program;
  program.threads = {[] { give_first(g_held[0], kSmall); }, [] { taken = get(kSmall); }};
  program.finish = [] {
    check_all();
    give(taken, kSmall);
    for (unsigned i = 1; i < 8; ++i)
      give_first(g_held[i], kSmall);
    check_empty();
  };
  expect_proved(program);
}

// A block that one thread takes and another frees, while the first takes again.
Program hand_over() {
  Program program;
  program.threads = {[] {
                       void* const slot = get(kSmall);
                       model::give_up(slot);
                       g_mailbox.store(slot, std::memory_order_release);
                       give(get(kSmall), kSmall);
                     },
                     [] {
                       void* const slot = g_mailbox.load(std::memory_order_acquire);
                       if (slot == nullptr) return;
                       model::claim(slot);
                       require(words_of(slot)[0] == 1, "not what was written");
                       g_mailbox.store(nullptr, std::memory_order_relaxed);
                       give(slot, kSmall);
                     }};
  program.finish = [] {
    void* const left = g_mailbox.load();
    if (left != nullptr) give_first(left, kSmall);
    give_rest<1>();
  };
  program.stale_loads = model::old_values(1, 2);
  return program;
}

TEST_F(ModelWord, FreedByAnotherThread) {
  start(1);
  model::name_place(&g_mailbox, "mailbox");
  expect_proved(hand_over());
}

TEST_F(ModelWord, DoubleFreeByTwoThreadsStops) {
  start(2);
  Program program;
  const auto body = [] { put(g_held[0], kSmall); };
  program.threads = {body, body};
  expect_found(program, "the program was stopped: ashlar: double free");
}

TEST_F(ModelWord, FindsExclusionLeftOut) {
  start(1);
  Program program = take_and_give();
  program.fault = [](Atomic* operation) {
    if (is_word(*operation) && operation->kind == Kind::kCompare) operation->operand &= ~kExcluded;
  };
  expect_found(program, "data race");
}

// As a compare-and-swap that always succeeds would: the exclusion is ignored.
TEST_F(ModelWord, FindsAcquireWeakened) {
  start(1);
  Program program = take_and_give();
  program.fault = [](Atomic* operation) {
    if (is_word(*operation) && operation->kind == Kind::kCompare) operation->order = __ATOMIC_RELAXED;
  };
  expect_found(program, "data race");
}

TEST_F(ModelWord, FindsReleaseWeakened) {
  start(1);
  Program program = take_and_give();
  program.fault = [](Atomic* operation) {
    if (is_word(*operation) && operation->kind == Kind::kStore) operation->order = __ATOMIC_RELAXED;
  };
  expect_found(program, "data race");
}

}  // namespace
}  // namespace ashlar::slab
