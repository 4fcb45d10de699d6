// Hole purging: pages go back while their slab is taken from, freed into, and dies.
#include "slab_scenario.h"

namespace ashlar::slab {
namespace {

using model::Atomic;
using model::expect_found;
using model::expect_proved;
using model::Kind;
using model::Program;

void* g_held[8];
void* g_taken[2];

class ModelHoles : public ::testing::Test {
 protected:
  // A slab with all pages touched, `out` slots in use, and the other ones free.
  void start(unsigned out) {
    start_slabs();
    for (void*& slot : g_held) {
      slot = get_before(kSmall);
      words_of(slot)[0] = 5;
    }
    for (unsigned i = out; i < 8; ++i)
      put(g_held[i], kSmall);
  }
  static UnitIndex unit() { return place_of(g_held[0], kSmall).unit; }
};

template <unsigned kOut>
void finish() {
  check_all();
  for (void*& slot : g_taken) {
    if (slot != nullptr) give(slot, kSmall);
  }
  for (unsigned i = 0; i < kOut; ++i)
    give_first(g_held[i], kSmall);
  check_empty();
}

void purge() { purge_holes_of(place_of(g_held[0], kSmall).unit); }

Program purge_against_take() {
  Program program;
  program.threads = {purge, [] { g_taken[0] = get(kSmall); }};
  program.finish = finish<6>;
  program.stale_loads = model::old_values(1, 2);
  return program;
}

TEST_F(ModelHoles, PurgeAgainstTake) {
  start(6);
  expect_proved(purge_against_take());
}

TEST_F(ModelHoles, PurgeAgainstTakeAndGive) {
  start(6);
  Program program;
  program.threads = {purge, [] { give(get(kSmall), kSmall); }};
  program.finish = finish<6>;
  program.stale_loads = model::old_values(0, 1);
  expect_proved(program);
}

// The slots that the purge claims keep the slab alive; the last free waits for it, or comes first.
TEST_F(ModelHoles, PurgeAgainstLastFree) {
  start(1);
  Program program;
  program.threads = {purge, [] { give_first(g_held[0], kSmall); }};
  program.finish = finish<0>;
  expect_proved(program);
}

TEST_F(ModelHoles, TwoPurge) {
  start(6);
  Program program;
  program.threads = {purge, purge};
  program.finish = finish<6>;
  expect_proved(program);
}

TEST_F(ModelHoles, PurgeOfCandidatesAgainstFree) {
  start(6);
  Program program;
  program.threads = {[] { purge_candidates(100, 2, Yield::kAny); }, [] { give_first(g_held[5], kSmall); }};
  program.finish = finish<5>;
  program.stale_loads = model::old_values(0, 1);
  expect_proved(program);
}

TEST_F(ModelHoles, DeepPurgeTakeAndFree) {
  start(6);
  Program program = purge_against_take();
  program.threads.push_back([] { give_first(g_held[5], kSmall); });
  program.finish = finish<5>;
  program.stale_loads = 0;
  model::expect_unbroken(program, 1'000'000);
}

// The emptied slab's pages go back while its holes are being purged.
TEST_F(ModelHoles, PurgeAgainstReleaseOfKept) {
  start(0);
  Program program;
  program.threads = {purge, [] { release_kept(); }};
  program.finish = finish<0>;
  expect_proved(program);
}

// The slots of the holes left in the free bits: they are handed out while their pages go, or the count is
// wrong.
TEST_F(ModelHoles, FindsSlotsNotClaimed) {
  start(6);
  Program program = purge_against_take();
  program.fault = [](Atomic* operation) {
    if (is_free_bits(*operation) && operation->kind == Kind::kStore && model::current_thread() == 0)
      operation->operand = 0xc0;  // as they were
  };
  program.stale_loads = 0;
  const model::Result result = model::explore(program);
  EXPECT_NE(result.failure, "");
}

TEST_F(ModelHoles, FindsReleaseWeakened) {
  start(6);
  Program program = purge_against_take();
  program.fault = [](Atomic* operation) {
    if (is_word(*operation) && operation->kind == Kind::kStore) operation->order = __ATOMIC_RELAXED;
  };
  expect_found(program, "data race");
}

}  // namespace
}  // namespace ashlar::slab
