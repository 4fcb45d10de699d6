// os::Lock with its inside: all interleavings of its futex word, with the wake-ups of the kernel.
#include "os/lock.h"

#include "model_support.h"

namespace ashlar::model {
namespace {

constinit os::Lock g_lock{os::LockRank::kPage};
uint64_t g_guarded;

void add_one() {
  g_lock.lock();
  ++g_guarded;
  g_lock.unlock();
}

Program contended(size_t threads) {
  Program program;
  program.threads.assign(threads, add_one);
  return program;
}

bool is_of_lock(const Atomic& operation) {
  return operation.place - reinterpret_cast<uintptr_t>(&g_lock) < sizeof g_lock;
}

TEST(ModelLock, ExcludesAndWakes) {
  Program program = contended(2);
  program.finish = [] { require(g_guarded == 2, "an update is lost"); };
  expect_proved(program);
}

TEST(ModelLock, TakenTwiceByEachOwner) {
  Program program;
  const auto body = [] {
    g_lock.lock();
    g_lock.lock();
    ++g_guarded;
    g_lock.unlock();
    ++g_guarded;
    g_lock.unlock();
  };
  program.threads = {body, body};
  program.finish = [] { require(g_guarded == 4, "an update is lost"); };
  expect_proved(program);
}

TEST(ModelLock, DeepThreeThreads) {
  Program program = contended(3);
  program.finish = [] { require(g_guarded == 3, "an update is lost"); };
  program.stale_loads = 0;
  expect_proved(program);
}

TEST(ModelLock, WhoOnlyTriesDoesNotWait) {
  Program program;
  program.threads = {add_one, [] {
                       if (!g_lock.try_lock()) return;
                       ++g_guarded;
                       g_lock.unlock();
                     }};
  program.finish = [] { require(g_guarded >= 1, "an update is lost"); };
  expect_proved(program);
}

TEST(ModelLock, FindsReleaseWeakened) {
  Program program = contended(2);
  program.fault = [](Atomic* operation) {
    if (is_of_lock(*operation) && operation->kind == Kind::kExchange && operation->operand == 0)
      operation->order = __ATOMIC_RELAXED;
  };
  expect_found(program, "data race");
}

TEST(ModelLock, FindsAcquireWeakened) {
  Program program = contended(2);
  program.fault = [](Atomic* operation) {
    if (is_of_lock(*operation) && operation->kind == Kind::kCompare) operation->order = __ATOMIC_RELAXED;
  };
  expect_found(program, "data race");
}

// A sleeper that is not noted in the word is not woken.
TEST(ModelLock, FindsForgottenSleeper) {
  Program program = contended(2);
  program.fault = [](Atomic* operation) {
    if (is_of_lock(*operation) && operation->kind == Kind::kExchange && operation->operand == 0)
      operation->operand = 2;
  };
  expect_found(program, "nobody can go on");
}

}  // namespace
}  // namespace ashlar::model
