// The run cache: the last few large blocks of up to 256 KiB that a thread freed, for the same thread to
// have again, without the page lock.
//
// A cached run stays a large block to the page layer, marked in its length: freeing it again, or asking
// for its size, finds no live block. Exact page counts only, so nothing is wasted, four runs and
// 256 KiB at most, the oldest leaves first.
// LOCKS: none; the owner alone touches its cache. Evicting takes the page lock.
#pragma once

#include "cache/thread_cache.h"

namespace ashlar::cache {

inline constexpr PageCount kLargestCachedRun = 64;  // pages
inline constexpr PageCount kCachedRunPages = 64;    // in all

// A cached run of exactly `count` pages, now a live block again with its old content, or kNoPage.
PageIndex take_run(PageCount count);

// Takes the live large block at `page`, `count` pages long, into the cache. False: it has no place there.
bool keep_run(PageIndex page, PageCount count);

// Gives all cached runs of this thread back to the page layer.
void flush_runs();

}  // namespace ashlar::cache
