// Reading the layers: one pass over the metadata, with the kernel's word on what is resident.
//
// Resident bytes are the kernel's, page by page (mincore), so the ledger is not a model of the memory
// but an account of it: what is ours is attributed to layers by the metadata, what is not ours is
// summed from /proc/self/smaps on its own, and both together must give the RSS.
//
// Takes the page, registry and direct locks for short times, one after the other. Allocates nothing.
#pragma once

#include "ashlar/ashlar.h"

namespace ashlar::stats {

// The cheap sums, for mallinfo2: no mincore, no files. Bytes.
struct Totals {
  size_t opened;       // in the window
  size_t live;         // in the window: live slots and large blocks
  size_t cached;       // free slots, slab tails, bins
  size_t dirty;        // free pages that may be resident
  size_t free_blocks;  // of the buddy
  size_t direct_blocks;
  size_t direct_bytes;
  size_t peak;  // highest opened + direct
};
Totals read_totals();

// Fills everything but struct_size.
void read_snapshot(struct ashlar_stats* stats);

}  // namespace ashlar::stats
