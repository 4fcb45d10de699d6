// The class bitmaps: setters and clearers of all interleavings leave summaries that hide nothing.
#include "slab_scenario.h"

namespace ashlar::slab {
namespace {

using model::Atomic;
using model::expect_found;
using model::expect_proved;
using model::Kind;
using model::Program;
using model::require;

constexpr unsigned kRow = kSmall;
constexpr UnitIndex kFirst = 3, kSecond = 40;     // of one chunk
constexpr UnitIndex kThird = kUnitsPerChunk + 5;  // of the next, in the same group

class ModelIndex : public ::testing::Test {
 protected:
  void SetUp() override { start_slabs(); }
};

// Every bit that is set is found, every one that is not set is not.
void expect_units(bool first, bool second, bool third) {
  require(is_available(kRow, kFirst) == first && is_available(kRow, kSecond) == second &&
              is_available(kRow, kThird) == third,
          "a bit is lost");
  const UnitIndex lowest = first ? kFirst : second ? kSecond : third ? kThird : kNoUnit;
  require(find_available(kRow, 0) == lowest, "a summary hides a slab");
  if (third) require(find_available(kRow, kUnitsPerChunk) == kThird, "a summary hides a slab");
}

// The window must reach as far as the units that are set.
void open_chunks() {
  page::g_window.pages.store(2 * kPagesPerChunk);  // records alone are used here, no page
}

Program set_against_clear() {
  Program program;
  program.threads = {[] { set_available(kRow, kFirst); }, [] { clear_available(kRow, kSecond); }};
  program.finish = [] { expect_units(true, false, false); };
  return program;
}

TEST_F(ModelIndex, SetAgainstClearInOneChunk) {
  set_available(kRow, kSecond);
  expect_proved(set_against_clear());
}

TEST_F(ModelIndex, SetAgainstClearInOneGroup) {
  open_chunks();
  set_available(kRow, kThird);
  Program program;
  program.threads = {[] { set_available(kRow, kFirst); }, [] { clear_available(kRow, kThird); }};
  program.finish = [] { expect_units(true, false, false); };
  expect_proved(program);
}

TEST_F(ModelIndex, ThreeThreads) {
  open_chunks();
  set_available(kRow, kSecond);
  set_available(kRow, kThird);
  Program program;
  program.threads = {[] { set_available(kRow, kFirst); }, [] { clear_available(kRow, kSecond); },
                     [] { clear_available(kRow, kThird); }};
  program.finish = [] { expect_units(true, false, false); };
  program.stale_loads = model::old_values(1, 2);
  expect_proved(program);
}

TEST_F(ModelIndex, TwoToggle) {
  Program program;
  program.threads = {[] {
                       set_available(kRow, kFirst);
                       clear_available(kRow, kFirst);
                       set_available(kRow, kFirst);
                     },
                     [] {
                       set_available(kRow, kSecond);
                       clear_available(kRow, kSecond);
                     }};
  program.finish = [] { expect_units(true, false, false); };
  program.stale_loads = model::old_values(1, 2);
  expect_proved(program);
}

// Who looks while others set and clear gets a unit that is set or was, never one that nobody set.
TEST_F(ModelIndex, FindMeanwhile) {
  set_available(kRow, kSecond);
  Program program = set_against_clear();
  program.threads.push_back([] {
    const UnitIndex unit = find_available(kRow, 0);
    require(unit == kFirst || unit == kSecond || unit == kNoUnit, "a unit that nobody set");
  });
  program.stale_loads = model::old_values(1, 2);
  expect_proved(program);
}

// The estimate of the holes: of two who clear a bit, one has cleared it.
TEST_F(ModelIndex, OneOfTwoClears) {
  static uint64_t cleared[2];
  set_available(kRow, kFirst);
  Program program;
  program.threads = {[] { cleared[0] = clear_available(kRow, kFirst); },
                     [] { cleared[1] = clear_available(kRow, kFirst); }};
  program.finish = [] {
    expect_units(false, false, false);
    require(cleared[0] + cleared[1] == 1, "both cleared it, or neither");
  };
  expect_proved(program);
}

// Set and clear meet as in Dekker's algorithm: each writes its word and looks at the other's.
TEST_F(ModelIndex, FindsLooksWeakened) {
  set_available(kRow, kSecond);
  Program program = set_against_clear();
  program.fault = [](Atomic* operation) {
    if (operation->kind == Kind::kLoad && operation->order == __ATOMIC_SEQ_CST)
      operation->order = __ATOMIC_ACQUIRE;
  };
  expect_found(program, "a summary hides a slab");
}

// The second look at the summaries left out: as if the clearer saw nothing.
TEST_F(ModelIndex, FindsSecondLookLeftOut) {
  set_available(kRow, kSecond);
  Program program = set_against_clear();
  program.fault = [](Atomic* operation) {
    const bool summary =
        operation->place == reinterpret_cast<uintptr_t>(&slabs_of_group(0).available[kRow]) ||
        operation->place == reinterpret_cast<uintptr_t>(&slabs_of_super(0).available[kRow]);
    if (summary && operation->kind == Kind::kOr && model::current_thread() == 1) operation->operand = 0;
  };
  expect_found(program, "a summary hides a slab");
}

}  // namespace
}  // namespace ashlar::slab
