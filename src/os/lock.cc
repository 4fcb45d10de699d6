#include "os/lock.h"

#include <linux/futex.h>

#include "os/fatal.h"
#include "os/sys.h"
#include "os/system.h"

// Looks at a held lock before going to sleep; fewer where all interleavings of them are explored
// (tests/model).
#ifndef ASHLAR_LOCK_SPINS
#define ASHLAR_LOCK_SPINS 100
#endif

namespace ashlar::os {

namespace {

void cpu_relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  __asm__ volatile("yield");
#endif
}

#ifdef ASHLAR_INVARIANTS
// One bit a rank that this thread holds.
__attribute__((tls_model("initial-exec"))) constinit thread_local uint32_t t_held_ranks = 0;
void note_taken(LockRank rank) {
  const uint32_t rank_bit = 1u << static_cast<unsigned>(rank);
  ASHLAR_CHECK(t_held_ranks < rank_bit);
  t_held_ranks |= rank_bit;
}
void note_dropped(LockRank rank) { t_held_ranks &= ~(1u << static_cast<unsigned>(rank)); }
#else
void note_taken(LockRank) {}
void note_dropped(LockRank) {}
#endif

}  // namespace

void Lock::lock() {
  const uintptr_t me = thread_token();
  // ORDER: relaxed, everywhere for owner_: only this thread can have stored its own token, and it sees its
  // own stores.
  if (owner_.load(std::memory_order_relaxed) == me) {
    ++depth_;
    return;
  }
  uint32_t expected = 0;
  // ORDER: acquire, here and wherever the lock is taken, pairs with the release of unlock.
  if (!state_.compare_exchange_strong(expected, 1, std::memory_order_acquire, std::memory_order_relaxed))
    lock_slow();
  owner_.store(me, std::memory_order_relaxed);
  note_taken(rank_);
}

bool Lock::try_lock() {
  const uintptr_t me = thread_token();
  if (owner_.load(std::memory_order_relaxed) == me) {
    ++depth_;
    return true;
  }
  uint32_t expected = 0;
  if (!state_.compare_exchange_strong(expected, 1, std::memory_order_acquire, std::memory_order_relaxed))
    return false;
  owner_.store(me, std::memory_order_relaxed);
  return true;
}

void Lock::lock_slow() {
  for (int spin = 0; spin < ASHLAR_LOCK_SPINS; ++spin) {
    uint32_t expected = 0;
    if (state_.load(std::memory_order_relaxed) == 0 &&  // ORDER: a look before the attempt, which decides
        state_.compare_exchange_weak(expected, 1, std::memory_order_acquire, std::memory_order_relaxed)) {
      return;
    }
    cpu_relax();
  }
  while (state_.exchange(2, std::memory_order_acquire) != 0) {
    sys::futex(reinterpret_cast<uint32_t*>(&state_), FUTEX_WAIT_PRIVATE, 2);
  }
}

void Lock::unlock() {
  if (depth_ > 0) {
    --depth_;
    return;
  }
  note_dropped(rank_);
  owner_.store(0, std::memory_order_relaxed);
  // ORDER: release pairs with the acquires of lock. The read of 2 needs no more: a sleeper that it misses
  // wrote its 2 after this 0 and has taken the lock by that.
  if (state_.exchange(0, std::memory_order_release) == 2) {
    sys::futex(reinterpret_cast<uint32_t*>(&state_), FUTEX_WAKE_PRIVATE, 1);
  }
}

bool Lock::held_by_me() const { return owner_.load(std::memory_order_relaxed) == thread_token(); }

void Lock::reset() {
  depth_ = 0;  // ORDER: relaxed below: a forked child has one thread
  owner_.store(0, std::memory_order_relaxed);
  state_.store(0, std::memory_order_relaxed);
}

void Backoff::wait() {
  constexpr unsigned kSpins = 200;
  constexpr unsigned kYields = 20;
  ++rounds_;
  if (rounds_ <= kSpins) {
    cpu_relax();
  } else if (rounds_ <= kSpins + kYields) {
    sys::yield();
  } else {
    sys::sleep_ns(50'000);
  }
}

}  // namespace ashlar::os
