// The death of slabs and what comes after it: late frees, late takers, new slabs on the same pages.
#include "slab_scenario.h"

namespace ashlar::slab {
namespace {

using model::Atomic;
using model::expect_found;
using model::expect_proved;
using model::Kind;
using model::Program;
using model::require;

void* g_last[2];  // the slots of the dying slab that are still in use
void* g_taken[3];

class ModelLife : public ::testing::Test {
 protected:
  // Slab A with `out` slots in use at the lower address, and, if `keep`, slab B, empty and kept: then A dies
  // with its last slot.
  void start(unsigned out, bool keep) {
    start_slabs();
    void* slots[16];
    for (unsigned i = 0; i < 16; ++i)
      slots[i] = get_before(kSmall);
    for (unsigned i = 0; i < 8; ++i) {
      if (i < out) {
        g_last[i] = slots[i];
      } else {
        put(slots[i], kSmall);
      }
    }
    ASSERT_LT(slots[0], slots[8]);
    for (unsigned i = 8; i < 16; ++i)
      put(slots[i], kSmall);
    if (!keep) release_kept();
    ASSERT_EQ(page::g_pages.counters().live_pages, keep ? 16u : 8u);
  }
};

void give_taken() {
  check_all();
  for (void*& slot : g_taken) {
    if (slot != nullptr) give(slot, kSmall);
  }
  check_empty();
}

Program last_free_against_take() {
  Program program;
  program.threads = {[] { give_first(g_last[0], kSmall); }, [] { g_taken[0] = get(kSmall); }};
  program.finish = give_taken;
  return program;
}

TEST_F(ModelLife, LastFreeAgainstTake) {
  start(1, true);
  expect_proved(last_free_against_take());
}

// The pages of the dead slab are handed out at once, and written to.
TEST_F(ModelLife, PagesOfADeadSlabAreReused) {
  start(1, true);
  Program program = last_free_against_take();
  program.threads.push_back([] {
    uint64_t dirty = 0;
    const PageIndex page = page::g_pages.allocate(8, 3, &dirty);
    for (PageIndex i = 0; i < 8; ++i)
      reinterpret_cast<uint64_t*>(page::page_address(page + i))[0] = 77;
    page::g_pages.release(page, 8, 0xff);
  });
  program.stale_loads = model::old_values(0, 1);
  expect_proved(program);
}

// Dies, and is born again as a slab of another class at the same place, while a taker of the first class is
// on its way.
TEST_F(ModelLife, RebornInAnotherClass) {
  start(1, true);
  Program program;
  program.threads = {[] {
                       give_first(g_last[0], kSmall);
                       give(get(kOther), kOther);
                     },
                     [] { g_taken[0] = get(kSmall); }};
  program.finish = give_taken;
  expect_proved(program);
}

// Or of the same class: as good as the one that the taker looked for. The generation is for reports alone.
Program reborn() {
  Program program;
  program.threads = {[] {
                       give_first(g_last[0], kSmall);
                       release_kept();
                       give(get(kSmall), kSmall);
                     },
                     [] { g_taken[0] = get(kSmall); }};
  program.finish = give_taken;
  program.stale_loads = model::old_values(0, 2);
  return program;
}

TEST_F(ModelLife, RebornInTheSameClass) {
  start(1, false);
  expect_proved(reborn());
}

TEST_F(ModelLife, NeedsNoGeneration) {
  start(1, false);
  Program program = reborn();
  program.fault = [](Atomic* operation) {
    if (is_word(*operation) && operation->kind == Kind::kStore) operation->operand &= kGenerationStep - 1;
  };
  expect_proved(program);
}

// Two threads free the last two slots: one of them retires the slab, once.
TEST_F(ModelLife, TwoLastFrees) {
  start(2, true);
  Program program;
  program.threads = {[] { give_first(g_last[0], kSmall); }, [] { give_first(g_last[1], kSmall); }};
  program.finish = check_empty;
  expect_proved(program);
}

// The same with nothing kept: one of them keeps it.
TEST_F(ModelLife, TwoLastFreesKept) {
  start(2, false);
  Program program;
  program.threads = {[] { give_first(g_last[0], kSmall); }, [] { give_first(g_last[1], kSmall); }};
  program.finish = check_empty;
  expect_proved(program);
}

// The kept slab is given back, taken from and freed into at once.
TEST_F(ModelLife, KeptReleasedAgainstTake) {
  start(1, true);
  Program program;
  program.threads = {[] { release_kept(); },
                     [] {
                       const Chain chain = take_slots(kSmall, 8);  // all of A that is free, then of B
                       void* slot = chain.head;
                       for (unsigned i = 0; i < chain.length; ++i) {
                         void* const next = *static_cast<void**>(slot);
                         model::claim(slot);
                         give(slot, kSmall);
                         slot = next;
                       }
                     }};
  program.finish = [] {
    give_first(g_last[0], kSmall);
    check_empty();
  };
  program.stale_loads = model::old_values(0, 1);
  expect_proved(program);
}

TEST_F(ModelLife, KeptReleasedByTwo) {
  start(1, true);
  Program program;
  program.threads = {[] { release_kept(); }, [] { release_kept(); }, [] { give_first(g_last[0], kSmall); }};
  program.finish = check_empty;
  program.stale_loads = model::old_values(0, 1);
  expect_proved(program);
}

// A free that comes late, when the slab has died and another class lives on its pages, is a double free:
// stopped.
TEST_F(ModelLife, LateDoubleFreeStops) {
  start(1, true);
  Program program;
  program.threads = {[] { put(g_last[0], kSmall); }, [] { put(g_last[0], kSmall); }};
  expect_found(program, "the program was stopped: ashlar: double free");
}

// Pages that go back before the slab is dead for everybody.
TEST_F(ModelLife, FindsDeathUnpublished) {
  start(1, true);
  Program program = last_free_against_take();
  program.fault = [](Atomic* operation) {
    if (is_word(*operation) && operation->kind == Kind::kStore && operation->operand == 0)
      operation->operand = make_word(kSmall, 8);
  };
  const model::Result result = model::explore(program);
  EXPECT_NE(result.failure, "");
}

}  // namespace
}  // namespace ashlar::slab
