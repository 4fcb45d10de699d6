// The pool of thread caches, and the spare one. Only with ASHLAR_CACHE_POINTER.
#include "cache/own_cache.h"

#include <string.h>
#include <sys/mman.h>

#include "cache/registry.h"
#include "os/lock.h"
#include "os/sys.h"
#include "os/system.h"

namespace ashlar::cache {

using os::LockGuard;

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"  // all the others are zero

// Never written: the pointer's type is that of a cache that may be.
constinit const ThreadCache kNewCache{};
constinit const ThreadCache kGoneCache{.state = CacheState::kGone};

__attribute__((tls_model("initial-exec"))) constinit thread_local ThreadCache* t_own_cache =
    const_cast<ThreadCache*>(&kNewCache);

namespace {

constexpr size_t kCacheLine = 64;
constexpr size_t kBlockBytes = 64 * kKiB;

// A cache in the pool: threads share no cache line.
struct alignas(kCacheLine) Place {
  ThreadCache cache;
};

// What the pool grows by; never returned. Pages that no cache has used are not resident.
struct Block {
  Block* next;
  size_t used;  // places that have ever been taken
  Place places[(kBlockBytes - kCacheLine) / sizeof(Place)];
};
static_assert(sizeof(Block) <= kBlockBytes && sizeof(Block) + sizeof(Place) > kBlockBytes);
constexpr size_t kPlaces = sizeof(Block::places) / sizeof(Place);

constinit os::Lock g_pool_lock{os::LockRank::kCachePool};
constinit Block* g_blocks = nullptr;      // the newest first
constinit ThreadCache* g_free = nullptr;  // all-zero but for the link in `next`
// In a forked child: the threads that are gone leave their caches, from this place on. They are cleared when
// they are wanted, so that a child which makes no threads copies no page for them.
constinit Block* g_stale_block = nullptr;
constinit size_t g_stale_at = 0;
constinit ThreadCache* g_survivor = nullptr;  // the forking thread's, which is not among them
constinit os::Lock g_spare_lock{os::LockRank::kSpareCache};
constinit ThreadCache g_spare{.state = CacheState::kGone};

// False: no memory.
bool grow_pool_locked() {
  const intptr_t mapped =
      os::sys::mmap(nullptr, kBlockBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  if (os::sys::failed(mapped)) return false;
  Block* const block = reinterpret_cast<Block*>(mapped);
  block->next = g_blocks;
  g_blocks = block;
  return true;
}

void clear(ThreadCache* cache) { memset(static_cast<void*>(cache), 0, sizeof *cache); }

ThreadCache* take_stale_locked() {
  for (; g_stale_block != nullptr; g_stale_block = g_stale_block->next, g_stale_at = 0) {
    while (g_stale_at < g_stale_block->used) {
      ThreadCache* const cache = &g_stale_block->places[g_stale_at++].cache;
      if (cache == g_survivor) continue;
      clear(cache);
      return cache;
    }
  }
  return nullptr;
}

// An all-zero cache, or null.
ThreadCache* take_from_pool() {
  LockGuard guard(g_pool_lock);
  ThreadCache* const cache = g_free;
  if (cache != nullptr) {
    g_free = cache->next;
    cache->next = nullptr;
    return cache;
  }
  if (ThreadCache* const stale = take_stale_locked(); stale != nullptr) return stale;
  if ((g_blocks == nullptr || g_blocks->used == kPlaces) && !grow_pool_locked()) return nullptr;
  return &g_blocks->places[g_blocks->used++].cache;
}

void put_into_pool(ThreadCache* cache) {
  clear(cache);
  LockGuard guard(g_pool_lock);
  cache->next = g_free;
  g_free = cache;
}

// Gives this thread a cache of its own. False: it can have none now.
bool attach() {
  if (!os::libc_started()) return false;  // the loader is yet to set the pointer up
  ThreadCache* const cache = has_exit_hook() ? take_from_pool() : nullptr;
  if (cache == nullptr) return false;
  // Arming may allocate. If the program's malloc is made of ours, that comes back here, and is served
  // uncached.
  cache->state = CacheState::kListing;
  t_own_cache = cache;
  if (!arm_exit_hook()) {
    t_own_cache = const_cast<ThreadCache*>(&kNewCache);
    put_into_pool(cache);
    return false;
  }
  cache->state = CacheState::kNew;
  return true;
}

}  // namespace

void CacheClaim::claim_slow() {
  if (t_own_cache == &kNewCache && attach()) return;
  g_spare_lock.lock();
  // A signal handler that allocated may have given the thread a cache meanwhile.
  if (t_own_cache != &kNewCache && t_own_cache != &kGoneCache) {
    g_spare_lock.unlock();
    return;
  }
  before_ = t_own_cache;
  t_own_cache = &g_spare;
}

void CacheClaim::return_spare() {
  t_own_cache = before_;
  g_spare_lock.unlock();
}

void give_up_own_cache() {
  ThreadCache* const cache = t_own_cache;
  t_own_cache = const_cast<ThreadCache*>(&kGoneCache);
  put_into_pool(cache);
}

// The free list may be one that another thread was changing: what was in it is found among the stale.
void reclaim_other_caches() {
  if (!g_spare_lock.held_by_me()) {
    g_spare_lock.reset();
    g_spare.slow_depth.store(0, std::memory_order_relaxed);
  }
  if (g_pool_lock.held_by_me()) return;  // a signal handler forked in the middle of it: they are lost
  g_pool_lock.reset();
  g_free = nullptr;
  g_stale_block = g_blocks;
  g_stale_at = 0;
  g_survivor = t_own_cache;
}

}  // namespace ashlar::cache
