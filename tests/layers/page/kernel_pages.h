// What a test of the page layer has to know of the kernel's pages, which may be larger than the layer's 4
// KiB: the grain of protecting and purging.
#pragma once

#include "base/bits.h"
#include "os/system.h"
#include "page/page_layer.h"

namespace ashlar::page {

// Pages of 4 KiB to one of the kernel's, and the order of such a block.
inline PageCount grain() { return static_cast<PageCount>(os::page_size() / kPageSize); }
inline unsigned grain_order() { return log2_up(grain()); }

// True if no free dirty block holds a whole kernel page: what is dirty yet can't be purged. With pages of
// 4 KiB: if nothing is dirty. No other thread uses the page layer.
inline bool nothing_to_purge() {
  unsigned order = 0;
  return g_pages.buddy().highest_dirty(grain_order(), g_window_owner.opened_chunks(), &order) == kNoPage;
}

}  // namespace ashlar::page
