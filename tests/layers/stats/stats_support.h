// The statistics as their tests take them.
#pragma once

#include <cstdlib>
#include <memory>
#include <vector>

#include <cstring>

#include "ashlar/ashlar.h"
#include "cache/registry.h"
#include "debug/verify.h"
#include "heap/heap.h"
#include "stats/print.h"
#include "stats/snapshot.h"
#include "support/support.h"

namespace ashlar::stats {

using Stats = struct ::ashlar_stats;

// As ashlar_stats() does. On libc's heap, which is not the one under test.
inline std::unique_ptr<Stats> snapshot() {
  auto stats = std::make_unique<Stats>();
  stats->struct_size = sizeof *stats;
  heap::initialise();
  cache::SlowPath section;
  read_snapshot(stats.get());
  return stats;
}

inline void* filled(size_t size) {
  void* const p = heap::allocate(size);
  return p == nullptr ? nullptr : memset(p, 0x5a, size);
}

}  // namespace ashlar::stats
