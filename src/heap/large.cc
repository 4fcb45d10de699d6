// Large blocks: runs of pages of the window below the direct threshold, mappings of their own above.
#include <string.h>

#include "base/options.h"
#include "cache/registry.h"
#include "cache/run_cache.h"
#include "heap/heap.h"
#include "page/direct.h"

namespace ashlar::heap {

using cache::SlowPath;
using page::g_direct;
using page::g_pages;

namespace {

bool goes_direct(size_t size, size_t alignment) {
  return size >= g_options.direct_threshold || alignment > kChunkSize;
}

// PRECONDITION: size > 0, size + alignment does not overflow.
PageIndex allocate_pages(size_t size, size_t alignment) {
  SlowPath section;
  const unsigned align_order = alignment <= kPageSize ? 0 : log2_up(alignment) - kPageShift;
  return g_pages.allocate_large(static_cast<PageCount>(bytes_to_pages_up(size)), align_order);
}

// PRECONDITION: goes_direct, or the window was full a moment ago; then it is asked once more for nothing.
bool fits_window(size_t size, size_t alignment) {
  return alignment <= kChunkSize && size < size_t{1}
                                               << (32 + kPageShift - 1);  // pages are counted in 32 bits
}

}  // namespace

void* allocate_large(size_t size, size_t alignment) {
  if (!goes_direct(size, alignment)) {
    PageIndex page =
        alignment <= kPageSize ? cache::take_run(static_cast<PageCount>(bytes_to_pages_up(size))) : kNoPage;
    if (page == kNoPage) page = allocate_pages(size, alignment);
    if (page != kNoPage) return reinterpret_cast<void*>(page::page_address(page));
  }
  SlowPath section;
  void* const p = g_direct.allocate(size, alignment);
  if (p != nullptr || !fits_window(size, alignment)) return p;
  // No mapping to be had, for lack of addresses or of mappings (vm.max_map_count): the window may have room.
  const PageIndex page = allocate_pages(size, alignment);
  return page == kNoPage ? nullptr : reinterpret_cast<void*>(page::page_address(page));
}

void* allocate_large_zeroed(size_t size) {
  PageIndex start = kNoPage;
  if (!goes_direct(size, 1)) {
    start = cache::take_run(static_cast<PageCount>(bytes_to_pages_up(size)));
    if (start != kNoPage)
      return memset(reinterpret_cast<void*>(page::page_address(start)), 0, align_up(size, kPageSize));
    start = allocate_pages(size, 1);
  }
  if (start == kNoPage) {
    SlowPath section;
    void* const p = g_direct.allocate(size, 1);
    if (p != nullptr || !fits_window(size, 1)) return p;
    start = allocate_pages(size, 1);
    if (start == kNoPage) return nullptr;
  }
  const PageIndex end = start + static_cast<PageCount>(bytes_to_pages_up(size));
  for (PageIndex at = start; at < end;) {  // clean pages are zero already
    const PageCount count = end - at < 64 ? end - at : 64;
    uint64_t dirty = page::dirty_mask(at, count);
    while (dirty != 0) {
      const unsigned first = lowest_bit(dirty);
      const unsigned run = static_cast<unsigned>(std::countr_one(dirty >> first));
      memset(reinterpret_cast<void*>(page::page_address(at + first)), 0, pages_to_bytes(run));
      dirty &= ~bit_range(first, run);
    }
    at += count;
  }
  return reinterpret_cast<void*>(page::page_address(start));
}

bool free_large(void* p) {
  PageIndex page = 0;
  if (!page::find_page(p, &page) || reinterpret_cast<uintptr_t>(p) % kPageSize != 0) return false;
  const PageCount count = page::PageLayer::large_length(page);
  if (count == 0) return false;
  if (cache::keep_run(page, count)) return true;
  SlowPath section;
  return g_pages.release_large(page);
}

void* resize_large(void* p, size_t old_size, size_t size) {
  PageIndex page = 0;
  if (!page::find_page(p, &page)) {
    // A direct mapping: stays one unless it shrinks far below the threshold.
    if (size < g_options.direct_threshold / 2 && size < old_size / 2) return nullptr;
    SlowPath section;
    return g_direct.resize(p, size);
  }
  if (bytes_to_pages_up(size) == old_size >> kPageShift) return p;
  // A block that grows to the threshold gets a mapping; one beyond it that had to do with the window shrinks
  // there.
  if (size > old_size && size >= g_options.direct_threshold) return nullptr;
  SlowPath section;
  return g_pages.try_resize_large(page, static_cast<PageCount>(bytes_to_pages_up(size))) ? p : nullptr;
}

}  // namespace ashlar::heap
