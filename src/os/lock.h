// A futex lock that knows its owner, with ranks.
//
// LOCKS: a thread takes locks in rising rank only (checked with ASHLAR_INVARIANTS). A holder may
// take its own lock again: a fork handler of somebody else may allocate while ours hold everything.
// All-zero is an unlocked lock. 16 bytes.
#pragma once

#include <atomic>
#include <cstdint>

namespace ashlar::os {

// The order in which locks nest. The slab word's exclusion bit nests inside none of them and none
// of them inside it.
enum class LockRank : uint8_t {
  kInit = 1,        // start of the heap
  kCachePool = 2,   // pool of thread caches, where they are not in thread-local storage
  kSpareCache = 3,  // the cache of threads that have none; held for a whole section of the slow path
  kRegistry = 4,    // list of thread caches
  kDirect = 5,      // table of direct mappings
  kPage = 6,        // page layer
};

class Lock {
 public:
  constexpr explicit Lock(LockRank rank) : rank_(rank) {}

  void lock();
  // Without waiting, and without regard to rank: for the fork handler, which may have interrupted a holder
  // of anything. True: the caller holds it now, once more if it did before.
  bool try_lock();
  void unlock();
  bool held_by_me() const;

  // For a forked child, whose other threads are gone: unlocked, whoever held it.
  void reset();

 private:
  void lock_slow();

  std::atomic<uint32_t> state_{0};  // 0 free, 1 held, 2 held and somebody waits
  uint16_t depth_ = 0;              // further holds by the owner; the owner's to write
  LockRank rank_;
  std::atomic<uintptr_t> owner_{0};
};
static_assert(sizeof(Lock) == 16);

class LockGuard {
 public:
  explicit LockGuard(Lock& lock) : lock_(lock) { lock_.lock(); }
  ~LockGuard() { lock_.unlock(); }
  LockGuard(const LockGuard&) = delete;
  LockGuard& operator=(const LockGuard&) = delete;

 private:
  Lock& lock_;
};

// One step of waiting for a word that another thread holds for a few instructions: spins at first,
// then yields, then sleeps, so that a preempted holder gets to run.
class Backoff {
 public:
  void wait();

 private:
  [[maybe_unused]] unsigned rounds_ = 0;  // a model of waiting (tests/model) has no use for it
};

}  // namespace ashlar::os
