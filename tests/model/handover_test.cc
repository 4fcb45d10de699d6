// The thread caches: blocks that one thread allocates and another frees, frees that wait as bits, refills
// against overflows, thread ends; through the heap's own malloc and free.
#include "base/options.h"
#include "cache/registry.h"
#include "heap_scenario.h"

namespace ashlar::heap {
namespace {

using model::Atomic;
using model::claim;
using model::expect_found;
using model::expect_proved;
using model::give_up;
using model::Program;
using model::require;

constexpr size_t kSize = 4096;

std::atomic<void*> g_mailbox;
void* g_blocks[4];

class ModelHandover : public ::testing::Test {
 protected:
  void SetUp() override { start_heap(); }
};

void* get(size_t size) {
  void* const p = allocate(size);
  require(p != nullptr, "no block although there is memory");
  claim(p);
  static_cast<uint64_t*>(p)[0] = static_cast<uint64_t*>(p)[size / 8 - 1] = model::current_thread() + 1;
  return p;
}
void give(void* p) {
  give_up(p);
  deallocate(p);
}

template <std::memory_order kSend>
Program block_sent() {
  Program program;
  program.threads = {[] {
                       void* const p = get(kSize);
                       give_up(p);
                       g_mailbox.store(p, kSend);
                     },
                     [] {
                       void* const p = g_mailbox.load(std::memory_order_acquire);
                       if (p == nullptr) return;
                       claim(p);
                       require(static_cast<uint64_t*>(p)[0] == 1, "not what was written");
                       give(p);
                     }};
  program.finish = check_heap;
  program.stale_loads = model::old_values(1, 2);
  return program;
}

// The program's own hand-over is all that find_code needs: bound and page map are read relaxed.
TEST_F(ModelHandover, FreedByAnotherThread) { expect_proved(block_sent<std::memory_order_release>()); }

// A program that hands a block over without synchronizing is wrong by itself: it races for the block's
// content.
TEST_F(ModelHandover, NeedsTheProgramsOwnHandOver) {
  expect_found(block_sent<std::memory_order_relaxed>(), "data race");
}

// The opening of the window, the birth of a slab and its page map, seen by who gets the block: whatever is
// read relaxed on the way, here the address alone, without touching the block.
template <std::memory_order kSend, std::memory_order kReceive>
Program address_sent() {
  Program program;
  program.threads = {[] { g_mailbox.store(allocate(20000), kSend); },
                     [] {
                       void* const p = g_mailbox.load(kReceive);
                       if (p == nullptr) return;
                       size_t code = 0;
                       require(page::find_code<page::Bound::kPages>(p, &code), "taken for a foreign block");
                       require(code == slab::class_code(slab::class_of_size(20000)), "another class");
                     }};
  program.stale_loads = model::old_values(1, 2);
  return program;
}

TEST_F(ModelHandover, AddressFindsItsClass) {
  expect_proved(address_sent<std::memory_order_release, std::memory_order_acquire>());
}

TEST_F(ModelHandover, AddressSentRelaxed) {
  const model::Result result =
      model::explore(address_sent<std::memory_order_relaxed, std::memory_order_acquire>());
  EXPECT_NE(result.failure, "");
}

// An acquire in find_code mends nothing: what it would order comes after it, and it is itself what may be
// early.
TEST_F(ModelHandover, AcquireInFindCodeWouldNotHelp) {
  Program program = address_sent<std::memory_order_relaxed, std::memory_order_acquire>();
  program.fault = [](Atomic* operation) {
    if (operation->place == reinterpret_cast<uintptr_t>(&page::g_window.pages) &&
        operation->kind == model::Kind::kLoad)
      operation->order = __ATOMIC_ACQUIRE;
  };
  const model::Result result = model::explore(program);
  EXPECT_NE(result.failure, "");
}

// Blocks without holes to look for, several of one word of free bits.
constexpr size_t kSmallSize = 64;

void allocate_blocks() {
  for (void*& p : g_blocks)
    p = allocate(kSmallSize);
  cache::flush_all();  // what the refill brought besides
}

// Frees that overflow: the first goes to its slab, the others wait as bits until the flush.
void free_blocks(unsigned first, unsigned end) {
  require(cache::list_this_thread(), "not listed");
  for (unsigned i = first; i < end; ++i)
    deallocate(g_blocks[i]);
  cache::flush_all();
}

void check_all_is_back() {
  check_heap();
  slab::release_kept();
  require(page::g_pages.counters().live_pages == 0, "a slot is lost");
}

Program pending_against_refill() {
  Program program;
  program.threads = {[] { free_blocks(0, 4); },
                     [] {
                       give(get(kSmallSize));
                       cache::flush_all();
                     }};
  program.finish = check_all_is_back;
  program.stale_loads = 0;
  return program;
}

TEST_F(ModelHandover, PendingAgainstRefill) {
  allocate_blocks();
  expect_proved(pending_against_refill());
}

// With an old value at one load: too many to be explored whole.
TEST_F(ModelHandover, DeepPendingAgainstRefillWithAnOldValue) {
  allocate_blocks();
  Program program = pending_against_refill();
  program.stale_loads = 1;
  model::expect_unbroken(program, 1'000'000);
}

TEST_F(ModelHandover, PendingOfTwoThreads) {
  allocate_blocks();
  Program program;
  program.threads = {[] { free_blocks(0, 2); }, [] { free_blocks(2, 4); }};
  program.finish = check_all_is_back;
  program.stale_loads = model::old_values(0, 1);
  expect_proved(program);
}

// Two threads start the heap at once; the loser waits, and both allocate.
TEST(ModelStart, TwoThreadsStartTheHeap) {
  g_options.window = 16 * kMiB;
  Program program;
  const auto body = [] { require(initialise(), "not started"); };
  program.threads = {body, body};
  program.most_executions = 2000;  // each reserves a window
  const model::Result result = model::explore(program);
  model::tell(result);
  EXPECT_EQ(result.failure, "") << result.steps;
}

}  // namespace
}  // namespace ashlar::heap
