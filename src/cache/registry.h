// The list of thread caches, the exit hook, and the gate that brings every thread out of the slow path
// before a fork.
//
// A fork is no atomic snapshot of the other threads: whatever one of them has half done stays half done
// in the child. The fast path leaves nothing half done (one store moves a bin's head), the slow path
// does. So every slow path is a section: on entry the thread notes it in its own cache and looks at
// the gate; the forking thread closes the gate, issues a membarrier (which makes the notes of all
// running threads visible, so that entering costs them no fence), and waits until no other thread is
// inside. No lock of ours can be held then but by the forking thread itself.
#pragma once

#include "cache/own_cache.h"

namespace ashlar::cache {

namespace detail {
extern constinit std::atomic<uintptr_t> g_gate;    // token of the thread that is forking, or 0
extern constinit std::atomic<bool> g_entry_fence;  // no membarrier here: entering takes a fence
void wait_at_gate_slow();
void enter_unlisted();
void leave_unlisted();
}  // namespace detail

// A section of the slow path; nests. LOCKS: taken before any lock of ours.
class SlowPath {
 public:
  SlowPath() {
    std::atomic<uint32_t>& depth = t_cache.slow_depth;
    // ORDER: relaxed, this thread alone writes it; seen in time by the membarrier, see below.
    const uint32_t outer = depth.load(std::memory_order_relaxed);
    depth.store(outer + 1, std::memory_order_relaxed);
    if (ASHLAR_UNLIKELY(t_cache.state != CacheState::kListed && outer == 0)) {
      detail::enter_unlisted();
      unlisted_ = true;
    }
    // ORDER: relaxed: it says "fence" from the start until membarrier is known to work, which is before there
    // is a second thread; close_gate waits for who reads an old "no fence".
    if (ASHLAR_UNLIKELY(detail::g_entry_fence.load(std::memory_order_relaxed))) {
      std::atomic_thread_fence(std::memory_order_seq_cst);
    }
    // ORDER: the note of the depth must not be overtaken by the look at the gate. The compiler is held here,
    // the processor by the membarrier of close_gate, or by the fence above where there is none. Acquire:
    // pairs with open_gate, so that what the forking thread did behind the gate came before.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (ASHLAR_UNLIKELY(detail::g_gate.load(std::memory_order_acquire) != 0 && outer == 0)) {
      detail::wait_at_gate_slow();
    }
  }
  ~SlowPath() {
    std::atomic<uint32_t>& depth = t_cache.slow_depth;
    if (ASHLAR_UNLIKELY(unlisted_)) detail::leave_unlisted();
    // ORDER: release pairs with the acquire of others_are_out_locked: what the section did is done.
    depth.store(depth.load(std::memory_order_relaxed) - 1, std::memory_order_release);
  }
  SlowPath(const SlowPath&) = delete;
  SlowPath& operator=(const SlowPath&) = delete;

 private:
  [[no_unique_address, maybe_unused]] CacheClaim claim_;
  bool unlisted_ = false;
};

// A section for a function that calls nothing. False: the thread is in a section already, or entering takes
// more than a note: nothing was done, and a SlowPath is to be used.
ASHLAR_ALWAYS_INLINE bool enter_quickly() {
  std::atomic<uint32_t>& depth = t_cache.slow_depth;
  if (ASHLAR_UNLIKELY(t_cache.state != CacheState::kListed || depth.load(std::memory_order_relaxed) != 0 ||
                      detail::g_entry_fence.load(std::memory_order_relaxed))) {
    return false;
  }
  depth.store(1, std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);  // pairs with the membarrier of close_gate
  // ORDER: acquire, as in SlowPath.
  if (ASHLAR_LIKELY(detail::g_gate.load(std::memory_order_acquire) == 0)) return true;
  depth.store(0, std::memory_order_release);
  return false;
}
ASHLAR_ALWAYS_INLINE void leave_quickly() { t_cache.slow_depth.store(0, std::memory_order_release); }

// Once, at start: probes membarrier, makes the key whose destructor is the exit hook.
void initialise_registry();

// True once there is an exit hook. Arming it for this thread may allocate; false: it could not be.
bool has_exit_hook();
bool arm_exit_hook();

// Lists this thread's cache, so that it may hold slots. False: it may not (exiting, or no key).
bool list_this_thread();

// Fork, in the forking thread: prepare, and afterwards in the parent or the child.
void close_gate();
void open_gate();
// In the child: the other threads are gone, with what their bins held; counts it. Opens the gate.
void forget_other_threads();

size_t lost_in_fork();

// Calls visit for every listed cache, with the registry lock held.
void visit_caches(void (*visit)(const ThreadCache& cache, void* context), void* context);

}  // namespace ashlar::cache
