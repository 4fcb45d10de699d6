// The heap as the scenarios of thread caches start from it.
#pragma once

#include "base/options.h"
#include "cache/registry.h"
#include "heap/fast_path.h"
#include "heap/heap.h"
#include "model_support.h"

namespace ashlar::heap {

// PRECONDITION: no exploration has begun. The main thread's cache is empty afterwards.
inline void start_heap() {
  g_options.window = 16 * kMiB;
  ASSERT_TRUE(initialise());
  deallocate(allocate(1));
  uint64_t dirty = 0;
  const PageIndex page = page::g_pages.allocate(256, 0, &dirty);  // so that it is open
  page::g_pages.release(page, 256, 0);
  purge();
  model::name_place(&page::g_window.pages, "window.pages");
  model::name_place(&page::g_pages.lock(), "page lock");
  for (UnitIndex unit = 0; unit < 64; ++unit)
    model::name_place(&slab::unit_meta(unit).word, "word " + std::to_string(unit));
}

// In the final state: words, bits and pages agree; what the caches hold is not free in its slab.
inline void check_heap() {
  slab::check_invariants();
  page::g_pages.check_invariants();
  cache::visit_caches([](const cache::ThreadCache& cache, void*) { cache::check_invariants(cache); },
                      nullptr);
}

}  // namespace ashlar::heap
