#include "cache/registry.h"

#include <linux/membarrier.h>
#include <pthread.h>

#include "os/fatal.h"
#include "os/sys.h"
#include "os/system.h"
#include "page/direct.h"

namespace ashlar::cache {

using os::LockGuard;

namespace detail {
constinit std::atomic<uintptr_t> g_gate{0};
constinit std::atomic<bool> g_entry_fence{true};
}  // namespace detail

namespace {

constinit os::Lock g_registry_lock{os::LockRank::kRegistry};
constinit ThreadCache* g_caches = nullptr;
constinit std::atomic<uint32_t> g_unlisted{0};  // threads in a slow path that are not listed
constinit std::atomic<size_t> g_lost{0};        // slots lost with other threads' bins
constinit pthread_key_t g_key = 0;
constinit std::atomic<bool> g_has_key{false};
constinit bool g_gate_timed_out = false;  // the forking thread's

constexpr unsigned kGateRounds = 2000;             // of 50 us and more: about 0.2 s
constexpr unsigned kHolderRounds = 300;            // the same for one that holds a lock of ours: some 5 ms
constexpr unsigned kGatePatience = 3000;           // the same for those who wait outside: about 0.3 s
constinit std::atomic<bool> g_gate_passed{false};  // somebody went through the closed gate
constinit unsigned g_gate_depth = 0;               // the forking thread's: forks within its own fork

void leave_list() {
  SlowPath section;
  if (t_cache.state != CacheState::kListed) return;
  flush_all();
  LockGuard guard(g_registry_lock);
  (t_cache.previous != nullptr ? t_cache.previous->next : g_caches) = t_cache.next;
  if (t_cache.next != nullptr) t_cache.next->previous = t_cache.previous;
  t_cache.next = t_cache.previous = nullptr;
  t_cache.state = CacheState::kGone;
}

// Runs when a thread exits, among the destructors of thread-specific data. Frees that come later go
// straight to the slabs.
void on_thread_exit(void*) {
  leave_list();
  give_up_own_cache();
}

bool others_are_out_locked() {
  // ORDER: own depth relaxed. g_unlisted counts up and down sequentially consistent: its rise must be seen by
  // who has closed the gate, as the listed threads' depths are; it happens rarely.
  const uint32_t mine =
      t_cache.state != CacheState::kListed && t_cache.slow_depth.load(std::memory_order_relaxed) > 0;
  if (g_unlisted.load() > mine) return false;
  for (const ThreadCache* cache = g_caches; cache != nullptr; cache = cache->next) {
    // ORDER: acquire pairs with the release of ~SlowPath.
    if (cache != &t_cache && cache->slow_depth.load(std::memory_order_acquire) > 0) return false;
  }
  return true;
}

// True if no thread but this one is inside a slow path.
bool others_are_out() {
  if (!g_registry_lock.try_lock()) return false;  // its holder is inside
  const bool out = others_are_out_locked();
  g_registry_lock.unlock();
  return out;
}

size_t slots_in(const ThreadCache& cache) {
  size_t slots = 0;
  for (const Bin& bin : cache.bins)
    slots += bin_length(bin);
  slots += cache.runs.length;
  for (const Pending& pending : cache.pending)
    slots += count_bits(pending.mask);
  return slots;
}

}  // namespace

namespace detail {

void enter_unlisted() { g_unlisted.fetch_add(1); }
void leave_unlisted() { g_unlisted.fetch_sub(1); }

// The section steps back out while it waits: nothing has been touched yet. Not for ever: the forking
// thread may be waiting for a lock of libc's (of stdio, say) whose holder, through others, waits here; libc
// itself takes its malloc's locks after those for this reason, which a fork handler cannot. Whoever
// passes the gate is noted, and the child mends what may be torn.
void wait_at_gate_slow() {
  os::Backoff backoff;
  for (;;) {
    const uintptr_t owner = g_gate.load();
    if (owner == 0 || owner == os::thread_token()) return;
    const bool unlisted = t_cache.state != CacheState::kListed;
    t_cache.slow_depth.store(0, std::memory_order_release);  // ORDER: as in ~SlowPath
    if (unlisted) leave_unlisted();
    unsigned rounds = 0;
    // ORDER: relaxed, a hint: the loop above looks again, sequentially consistent.
    while (g_gate.load(std::memory_order_relaxed) != 0 && ++rounds < kGatePatience)
      backoff.wait();
    if (unlisted) enter_unlisted();
    t_cache.slow_depth.store(1);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (rounds >= kGatePatience) {
      g_gate_passed.store(true,
                          std::memory_order_relaxed);  // ORDER: read by the child, which a system call made
      return;
    }
  }
}

}  // namespace detail

void initialise_registry() {
  if (!os::sys::failed(os::sys::membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED))) {
    detail::g_entry_fence.store(false, std::memory_order_relaxed);  // ORDER: see SlowPath
  }
  // ORDER: release pairs with the acquire of list_this_thread: g_key is there.
  if (pthread_key_create(&g_key, on_thread_exit) == 0) g_has_key.store(true, std::memory_order_release);
}

bool has_exit_hook() { return g_has_key.load(std::memory_order_acquire); }
bool arm_exit_hook() { return pthread_setspecific(g_key, &t_cache) == 0; }

bool list_this_thread() {
  if (t_cache.state == CacheState::kListed) return true;
  if (!os::libc_started()) return false;  // before libc's start: the loader is yet to zero this storage
  if (t_cache.state != CacheState::kNew || !has_exit_hook()) return false;
  // A late key's value may cost libc an allocation, which comes back here and is served uncached.
  t_cache.state = CacheState::kListing;
  if (!arm_exit_hook()) {
    t_cache.state = CacheState::kGone;
    return false;
  }
  LockGuard guard(g_registry_lock);
  // The loader zeroes the main thread's storage after the first ifunc resolvers have run: a cache that one
  // of them listed is new again, but still the only one in the list.
  if (g_caches == &t_cache) g_caches = nullptr;
  t_cache.previous = nullptr;
  t_cache.next = g_caches;
  if (g_caches != nullptr) g_caches->previous = &t_cache;
  g_caches = &t_cache;
  t_cache.state = CacheState::kListed;
  return true;
}

void close_gate() {
  const uintptr_t me = os::thread_token();
  os::Backoff backoff;
  uintptr_t expected = 0;
  while (!detail::g_gate.compare_exchange_strong(expected, me)) {  // another thread forks right now
    if (expected == me) {  // from a handler that interrupted our own fork
      ++g_gate_depth;
      return;
    }
    expected = 0;
    backoff.wait();
  }
  g_gate_passed.store(false, std::memory_order_relaxed);  // ORDER: nobody passes a gate before the membarrier
  if (os::sys::failed(os::sys::membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)) &&
      !detail::g_entry_fence.exchange(true)) {
    os::sys::sleep_ns(5'000'000);  // refused since the start: let whoever enters right now get through
  }
  // Bounded only if this thread is itself inside, because a signal handler forks in the middle of our slow
  // path: then a thread inside may wait for what this one holds. What is half done is mended in the child.
  // One that holds a lock there waits less: whoever is inside soon waits for that lock.
  const bool inside = t_cache.slow_depth.load(std::memory_order_relaxed) > 0;  // ORDER: our own
  const bool holder =
      g_registry_lock.held_by_me() || page::g_pages.lock().held_by_me() || page::g_direct.lock().held_by_me();
  const unsigned most = holder ? kHolderRounds : kGateRounds;
  os::Backoff patience;
  g_gate_timed_out = true;
  for (unsigned round = 0; (round < most || !inside) && g_gate_timed_out; ++round) {
    if (others_are_out()) {
      g_gate_timed_out = false;
    } else {
      patience.wait();
    }
  }
}

void open_gate() {
  if (g_gate_depth > 0) {
    --g_gate_depth;
  } else {
    detail::g_gate.store(0);
  }
}

void forget_other_threads() {
  size_t lost = 0;
  for (const ThreadCache* cache = g_caches; cache != nullptr; cache = cache->next) {
    if (cache != &t_cache) lost += slots_in(*cache);
  }
  // ORDER: relaxed throughout: the child has one thread.
  g_lost.fetch_add(lost, std::memory_order_relaxed);
  const bool listed = t_cache.state == CacheState::kListed;
  if (listed) t_cache.next = t_cache.previous = nullptr;
  g_caches = listed ? &t_cache : nullptr;
  const bool unlisted_inside = !listed && t_cache.slow_depth.load(std::memory_order_relaxed) > 0;
  g_unlisted.store(unlisted_inside ? 1 : 0);
  if (!g_registry_lock.held_by_me()) g_registry_lock.reset();
  if (!page::g_pages.lock().held_by_me()) page::g_pages.lock().reset();
  if (!page::g_direct.lock().held_by_me()) page::g_direct.lock().reset();
  if (g_gate_timed_out || g_gate_passed.load(std::memory_order_relaxed)) {
    if (t_cache.slow_depth.load(std::memory_order_relaxed) == 0) slab::repair_after_fork();
  }
  reclaim_other_caches();
  open_gate();
}

// ORDER: relaxed, a number for reports.
size_t lost_in_fork() { return g_lost.load(std::memory_order_relaxed); }

void visit_caches(void (*visit)(const ThreadCache&, void*), void* context) {
  LockGuard guard(g_registry_lock);
  for (const ThreadCache* cache = g_caches; cache != nullptr; cache = cache->next)
    visit(*cache, context);
}

}  // namespace ashlar::cache
