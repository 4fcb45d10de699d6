#include "debug/verify.h"

#include "cache/registry.h"
#include "os/fatal.h"
#include "page/direct.h"

namespace ashlar::debug {

using page::g_pages;
using page::g_window_owner;
using slab::kClasses;

namespace {

class Faults {
 public:
  explicit Faults(int fd) : fd_(fd) {}
  void expect_equal(size_t found, size_t expected, const char* what, size_t where) {
    if (found == expected) return;
    ++count_;
    if (fd_ < 0) return;
    os::Message message;
    message.text("verify: ").text(what).text(" is ").number(found).text(", expected ").number(expected);
    message.text(", at page ").number(where).write_line(fd_);
  }
  int count() const { return count_; }

 private:
  int fd_;
  int count_ = 0;
};

struct Sums {
  size_t free_pages, slab_pages, large_pages, large_blocks, unowned_pages;
};

// One page's owner, by the metadata alone; adds whole blocks and returns the page behind them.
PageIndex account(PageIndex page, Faults* faults, Sums* sums) {
  const uint8_t code = page::g_window.map[page];
  if (g_pages.buddy().is_free(page)) {
    faults->expect_equal(code, 0, "page map byte of a free page", page);
    ++sums->free_pages;
    return page + 1;
  }
  if (code != 0) {
    slab::SlabReading reading{};
    const bool live = page % kPagesPerUnit == 0 && slab::read_slab(unit_of_page(page), &reading);
    faults->expect_equal(live, true, "slab at the page that the map says begins one", page);
    if (!live) return page + 1;
    const PageCount pages = 1u << kClasses[reading.index].order;
    for (PageCount i = 0; i < pages; ++i) {
      faults->expect_equal(page::g_window.map[page + i], slab::class_code(reading.index),
                           "page map byte of a slab", page + i);
    }
    const slab::UnitMeta& meta = slab::unit_meta(unit_of_page(page));
    size_t free = 0;
    for (unsigned word = 0; word < (kClasses[reading.index].slots + 63u) / 64; ++word)
      free += count_bits(meta.free_bits[word]);
    faults->expect_equal(free, reading.free_slots, "number of free bits of a slab", page);
    sums->slab_pages += pages;
    return page + pages;
  }
  const PageCount live = page::PageLayer::large_length(page);
  const PageCount length = live != 0 ? live : page::PageLayer::cached_length(page);
  if (length == 0) {
    ++sums->unowned_pages;  // a gap in the break, or being purged
    return page + 1;
  }
  ++sums->large_blocks;
  sums->large_pages += length;
  for (PageIndex inner = page + 1; inner < page + length; ++inner) {
    faults->expect_equal(page::PageLayer::large_length(inner), 0, "length inside a large block", inner);
    faults->expect_equal(page::g_window.map[inner], 0, "page map byte of a large block", inner);
  }
  return page + length;
}

struct BinCheck {
  Faults* faults;
};

// Every slot in a bin is a slot of the bin's class that its slab counts as taken, once.
void check_cache(const cache::ThreadCache& cache, void* context) {
  Faults& faults = *static_cast<BinCheck*>(context)->faults;
  for (unsigned index = 1; index < slab::kClassCount; ++index) {
    size_t length = 0;
    for (void* slot = cache.bins[index].head; slot != nullptr; slot = *static_cast<void**>(slot)) {
      PageIndex page = 0;
      const bool inside = page::find_page(slot, &page);
      faults.expect_equal(inside && page::g_window.map[page] == slab::class_code(index), true,
                          "class of a slot in a bin", page);
      if (!inside || ++length > cache.bins[index].capacity) break;
      faults.expect_equal(slab::is_slot_free(slab::place_of(slot, index)), false,
                          "free bit of a slot in a bin", page);
    }
    faults.expect_equal(length, cache::bin_length(cache.bins[index]), "length of a bin", index);
  }
}

}  // namespace

int verify_heap(int fd) {
  cache::SlowPath section;
  Faults faults(fd);
  Sums sums{};
  const PageCount opened = g_window_owner.opened();
  {
    os::LockGuard guard(g_pages.lock());
    for (PageIndex page = 0; page < opened;)
      page = account(page, &faults, &sums);
  }
  const page::PageCounters counters = g_pages.counters();
  size_t free_pages = 0;
  size_t dirty_pages = 0;
  g_pages.buddy_counts(&free_pages, &dirty_pages);
  faults.expect_equal(sums.free_pages, free_pages, "sum of free pages", opened);
  faults.expect_equal(sums.large_pages, counters.large_pages, "sum of large blocks' pages", opened);
  faults.expect_equal(sums.large_blocks, counters.large_blocks, "number of large blocks", opened);
  faults.expect_equal(sums.slab_pages + sums.large_pages, counters.live_pages, "sum of live pages", opened);
  faults.expect_equal(sums.unowned_pages, g_window_owner.gap_pages() + counters.in_flight_pages,
                      "pages without an owner", opened);
  faults.expect_equal(sums.free_pages + sums.slab_pages + sums.large_pages + sums.unowned_pages, opened,
                      "sum of all layers' pages", opened);
  g_pages.check_invariants();
  slab::check_invariants();
  page::g_direct.check_invariants();
  BinCheck check{&faults};
  cache::visit_caches(check_cache, &check);
  return faults.count();
}

}  // namespace ashlar::debug
