// Where a thread's cache is.
//
// By default in thread-local storage itself (thread_cache.h), and this file is empty. With
// ASHLAR_CACHE_POINTER only a pointer is there, as a library that is opened late can have: the loader keeps
// some 1.6 KB of static thread-local storage for all of these together, and a cache has 2.9 KB. The caches
// then come from a pool. For libashlar_dl.so and libashlar_api.a, whose malloc is not the process's.
//
//   a thread's pointer names    it is in a section of the slow path    outside
//   kNewCache, kGoneCache       never                                  all-zero, constant: nothing to take,
//                                                                      no room
//   the spare                   until the section ends                 never
//   a cache of the pool         always, until the thread's exit hook   always
//
// INVARIANT: outside a section, a thread without a cache of its own writes to none.
// A thread has a cache of its own from its first section on. It has none before the heap has started, when
// memory is exhausted, and after its exit hook: then it borrows the spare for a section, which others wait
// for. The spare's state is kGone, so nothing is ever kept in it.
#pragma once

#include "cache/thread_cache.h"

namespace ashlar::cache {

#ifdef ASHLAR_CACHE_POINTER

// Taken first in a section and given up last: the thread has a cache in between.
class CacheClaim {
 public:
  CacheClaim() {
    if (ASHLAR_UNLIKELY(t_own_cache == &kNewCache || t_own_cache == &kGoneCache)) claim_slow();
  }
  ~CacheClaim() {
    if (ASHLAR_UNLIKELY(before_ != nullptr)) return_spare();
  }
  CacheClaim(const CacheClaim&) = delete;
  CacheClaim& operator=(const CacheClaim&) = delete;

 private:
  void claim_slow();
  void return_spare();

  ThreadCache* before_ = nullptr;  // what the pointer named before the spare was borrowed
};

// At the thread's exit, after its cache was emptied and taken off the list.
void give_up_own_cache();

// In a forked child: every cache but this thread's is free.
void reclaim_other_caches();

#else

struct CacheClaim {};
inline void give_up_own_cache() {}
inline void reclaim_other_caches() {}

#endif

}  // namespace ashlar::cache
