#include "stats/snapshot.h"

#include "cache/registry.h"
#include "os/system.h"
#include "page/direct.h"
#include "stats/residency.h"

namespace ashlar::stats {

using page::g_direct;
using page::g_pages;
using page::g_window_owner;
using slab::kClasses;

static_assert(slab::kClassCount <= ASHLAR_MAX_CLASSES && page::kMaxOrder < ASHLAR_MAX_ORDERS);

namespace {

struct BinSlots {
  size_t slots[slab::kClassCount];
  size_t caches;
  size_t run_pages;  // in run caches
};

void add_bins(const cache::ThreadCache& cache, void* context) {
  BinSlots& bins = *static_cast<BinSlots*>(context);
  ++bins.caches;
  bins.run_pages += cache.runs.pages;
  for (unsigned index = 1; index < slab::kClassCount; ++index) {
    bins.slots[index] += cache::bin_length(cache.bins[index]);
    bins.slots[index] += count_bits(cache.pending[index].mask);
  }
}

// Resident bytes of the slab's slots that are not free in it, page by page.
size_t occupied_resident(UnitIndex unit, const slab::ClassInfo& info, const PageBits& resident,
                         unsigned first_page) {
  const slab::UnitMeta& meta = slab::unit_meta(unit);
  size_t bytes = 0;
  for (unsigned slot = 0; slot < info.slots; ++slot) {
    if ((meta.free_bits[slot / 64] >> (slot % 64) & 1) != 0) continue;
    const uint32_t start = slot * info.size;
    const uint32_t end = start + info.size;
    for (uint32_t at = start; at < end;) {
      const uint32_t page_end = (at | (static_cast<uint32_t>(kPageSize) - 1)) + 1;
      const uint32_t to = page_end < end ? page_end : end;
      if (resident.test(first_page + (at >> kPageShift))) bytes += to - at;
      at = to;
    }
  }
  return bytes;
}

size_t count_resident(const PageBits& resident, unsigned first, unsigned count) {
  size_t pages = 0;
  for (unsigned page = first; page < first + count; ++page)
    pages += resident.test(page) ? 1 : 0;
  return pages_to_bytes(pages);
}

struct Walk {
  struct ashlar_stats* stats;
  size_t occupied_resident;  // in slabs: live and bins
  size_t slab_resident;
  size_t bin_bytes;    // of occupied_resident: in bins
  bool in_cached_run;  // the large block being walked lies in a run cache
};

void read_slab_into(UnitIndex unit, const slab::SlabReading& reading, const PageBits& resident, Walk* walk) {
  const slab::ClassInfo& info = kClasses[reading.index];
  struct ashlar_class_stats& stats = walk->stats->size_class[reading.index];
  const unsigned pages = 1u << info.order;
  const unsigned first = first_page_of_unit(unit) % kPagesPerChunk;
  const size_t slab_resident = count_resident(resident, first, pages);
  ++stats.slabs;
  stats.slots += info.slots;
  stats.free_slots += reading.free_slots;
  stats.slab_bytes += pages_to_bytes(pages);
  stats.resident += slab_resident;
  const unsigned taken = info.slots - reading.free_slots;
  ++stats.occupancy[taken * (ASHLAR_OCCUPANCY_STEPS - 1) / info.slots];
  walk->slab_resident += slab_resident;
  walk->occupied_resident += occupied_resident(unit, info, resident, first);
}

// One chunk: slabs by their words, large blocks by their lengths (which may begin in an earlier chunk),
// the rest free or a gap.
void walk_chunk(ChunkIndex chunk, PageIndex* large_end, Walk* walk) {
  const PageIndex start = chunk * kPagesPerChunk;
  const PageCount opened = g_window_owner.opened();
  if (g_pages.is_clean_chunk(chunk)) return;
  const unsigned pages = opened - start < kPagesPerChunk ? opened - start : kPagesPerChunk;
  const PageBits resident = resident_pages(page::page_address(start), pages);
  for (unsigned at = 0; at < pages;) {
    slab::SlabReading reading{};
    const PageIndex page = start + at;
    if (page < *large_end) {
      size_t& line = walk->in_cached_run ? walk->stats->resident_bins : walk->stats->resident_live;
      line += resident.test(at) ? kPageSize : 0;
      ++at;
    } else if (page % kPagesPerUnit == 0 && slab::read_slab(unit_of_page(page), &reading)) {
      read_slab_into(unit_of_page(page), reading, resident, walk);
      at += 1u << kClasses[reading.index].order;
    } else if (const PageCount length = page::PageLayer::large_length(page); length > 0) {
      *large_end = page + length;
      walk->in_cached_run = false;
    } else if (const PageCount cached = page::PageLayer::cached_length(page); cached > 0) {
      *large_end = page + cached;
      walk->in_cached_run = true;
      walk->stats->cached_bytes += pages_to_bytes(cached);
      const size_t bytes = pages_to_bytes(cached);
      walk->stats->live_bytes -= bytes < walk->stats->live_bytes ? bytes : walk->stats->live_bytes;
      walk->stats->large_blocks -= walk->stats->large_blocks > 0 ? 1 : 0;
    } else {
      walk->stats->resident_dirty += resident.test(at) ? kPageSize : 0;
      ++at;
    }
  }
}

// What smaps says of a mapping, less what mincore found in it of the window and of direct mappings: our
// metadata if it overlaps that, else not ours.
struct Rest {
  uintptr_t start, end;  // of the mapping at hand
  size_t blocks;         // resident bytes of window and direct mappings in it
  size_t metadata, foreign;
};

size_t overlap(uintptr_t start, uintptr_t end, uintptr_t other_start, uintptr_t other_end) {
  const uintptr_t from = start > other_start ? start : other_start;
  const uintptr_t to = end < other_end ? end : other_end;
  return from < to ? to - from : 0;
}

void add_blocks_in(uintptr_t start, size_t size, void* context) {
  Rest& rest = *static_cast<Rest*>(context);
  const size_t bytes = overlap(rest.start, rest.end, start, start + size);
  if (bytes > 0) rest.blocks += resident_bytes(start > rest.start ? start : rest.start, bytes);
}

void add_mapping(uintptr_t start, uintptr_t end, size_t resident, void* context) {
  Rest& rest = *static_cast<Rest*>(context);
  rest.start = start;
  rest.end = end;
  rest.blocks = 0;
  add_blocks_in(page::g_window.base, pages_to_bytes(g_window_owner.opened()), context);
  g_direct.visit(add_blocks_in, context);
  const size_t left = resident > rest.blocks ? resident - rest.blocks : 0;
  const uintptr_t metadata = g_window_owner.metadata_start();
  const bool ours = overlap(start, end, metadata, metadata + g_window_owner.metadata_open_bytes()) > 0;
  (ours ? rest.metadata : rest.foreign) += left;
}

// Fills the two lines of the ledger that are not blocks.
void read_rest(struct ashlar_stats* stats) {
  const size_t blocks =
      stats->resident_live + stats->resident_holes + stats->resident_bins + stats->resident_dirty;
  stats->kernel_rss = os::resident_size();
  Rest rest{};
  if (visit_mappings(add_mapping, &rest)) {
    stats->resident_metadata = rest.metadata;
    stats->resident_foreign = rest.foreign;
  } else {  // no /proc: by difference
    stats->resident_metadata =
        resident_bytes(g_window_owner.metadata_start(), g_window_owner.metadata_open_bytes());
    const size_t ours = blocks + stats->resident_metadata;
    stats->resident_foreign = stats->kernel_rss > ours ? stats->kernel_rss - ours : 0;
  }
  stats->accounted = blocks + stats->resident_metadata + stats->resident_foreign;
}

void add_direct_resident(uintptr_t start, size_t size, void* context) {
  *static_cast<size_t*>(context) += resident_bytes(start, size);
}

void finish_classes(const BinSlots& bins, Walk* walk) {
  struct ashlar_stats* const stats = walk->stats;
  size_t bin_bytes = 0;
  for (unsigned index = 1; index < slab::kClassCount; ++index) {
    struct ashlar_class_stats& entry = stats->size_class[index];
    const size_t taken = entry.slots - entry.free_slots;
    entry.size = kClasses[index].size;
    entry.bin_slots = bins.slots[index] < taken ? bins.slots[index] : taken;
    entry.live_slots = taken - entry.bin_slots;
    // ORDER: relaxed: numbers for reports.
    entry.sampled_requested = slab::g_sampled[index].requested.load(std::memory_order_relaxed);
    entry.sampled_granted = slab::g_sampled[index].granted.load(std::memory_order_relaxed);
    bin_bytes += entry.bin_slots * entry.size;
    stats->live_bytes += entry.live_slots * entry.size;
    stats->cached_bytes += entry.slab_bytes - entry.live_slots * entry.size;
  }
  if (bin_bytes > walk->occupied_resident) bin_bytes = walk->occupied_resident;
  stats->resident_bins += bin_bytes;
  walk->bin_bytes = bin_bytes;
  stats->resident_live += walk->occupied_resident - bin_bytes;
  stats->resident_holes = walk->slab_resident - walk->occupied_resident;
}

void read_orders(struct ashlar_stats* stats) {
  size_t clean[page::kMaxOrder + 1];
  size_t dirty[page::kMaxOrder + 1];
  g_pages.count_blocks(clean, dirty);
  double free_pages = 0;
  for (unsigned order = 0; order <= page::kMaxOrder; ++order) {
    free_pages += static_cast<double>(clean[order] + dirty[order]) * static_cast<double>(size_t{1} << order);
  }
  double below = 0;  // free pages in blocks of lower orders
  double largest = 0;
  for (unsigned order = 0; order <= page::kMaxOrder; ++order) {
    stats->order[order] = {dirty[order], clean[order], free_pages > 0 ? below / free_pages : 0};
    const double pages = static_cast<double>(size_t{1} << order);
    below += static_cast<double>(clean[order] + dirty[order]) * pages;
    if (clean[order] + dirty[order] > 0) largest = pages;
  }
  stats->orders = page::kMaxOrder + 1;
  stats->external_fragmentation = free_pages > 0 ? 1 - largest / free_pages : 0;
}

void read_counters(struct ashlar_stats* stats) {
  const page::PageCounters counters = g_pages.counters();
  size_t free_pages = 0;
  size_t dirty_pages = 0;
  g_pages.buddy_counts(&free_pages, &dirty_pages);
  stats->window_reserved = pages_to_bytes(g_window_owner.reserved());
  stats->window_opened = pages_to_bytes(g_window_owner.opened());
  stats->free_bytes = pages_to_bytes(free_pages + counters.in_flight_pages + g_window_owner.gap_pages());
  stats->large_blocks = counters.large_blocks;
  stats->live_bytes = pages_to_bytes(counters.large_pages);
  stats->dirty_bytes = pages_to_bytes(dirty_pages);
  stats->dirty_budget = pages_to_bytes(g_pages.budget_pages());
  stats->purged_bytes = pages_to_bytes(counters.purged_pages);
  stats->purged_again = pages_to_bytes(counters.purged_again);
  stats->hole_purged_bytes = pages_to_bytes(counters.hole_pages);
  stats->purge_calls = counters.purge_calls;
  stats->purge_failures = counters.purge_failures;
  stats->lost_in_fork = cache::lost_in_fork();
}

}  // namespace

void read_snapshot(struct ashlar_stats* stats) {
  const size_t struct_size = stats->struct_size;
  *stats = {};
  stats->struct_size = struct_size;
  stats->classes = slab::kClassCount;
  read_counters(stats);
  BinSlots bins{};
  cache::visit_caches(add_bins, &bins);
  stats->thread_caches = bins.caches;
  Walk walk{stats, 0, 0, 0, false};
  PageIndex large_end = 0;
  for (ChunkIndex chunk = 0; chunk < g_window_owner.opened_chunks(); ++chunk)
    walk_chunk(chunk, &large_end, &walk);
  finish_classes(bins, &walk);
  read_orders(stats);
  size_t peak_direct = 0;
  size_t table_bytes = 0;
  g_direct.totals(&stats->direct_blocks, &stats->direct_bytes, &peak_direct, &table_bytes);
  g_direct.visit(add_direct_resident, &stats->resident_live);
  stats->peak_opened = stats->window_opened + peak_direct;
  read_rest(stats);
  if (walk.slab_resident > 0) {
    const size_t live_slots = walk.occupied_resident - walk.bin_bytes;
    stats->slab_fragmentation = 1 - static_cast<double>(live_slots) / static_cast<double>(walk.slab_resident);
  }
}

Totals read_totals() {
  cache::SlowPath section;
  Totals totals{};
  const page::PageCounters counters = g_pages.counters();
  totals.opened = pages_to_bytes(g_window_owner.opened());
  totals.live = pages_to_bytes(counters.large_pages);
  BinSlots bins{};
  cache::visit_caches(add_bins, &bins);
  const ChunkIndex chunks = g_window_owner.opened_chunks();
  size_t slab_bytes = 0;
  size_t live_slots = 0;
  for (UnitIndex unit = 0; unit < chunks * kUnitsPerChunk; ++unit) {
    if (unit % kUnitsPerChunk == 0 && g_pages.is_clean_chunk(unit / kUnitsPerChunk)) {
      unit += kUnitsPerChunk - 1;
      continue;
    }
    slab::SlabReading reading{};
    if (!slab::read_slab(unit, &reading)) continue;
    const slab::ClassInfo& info = kClasses[reading.index];
    slab_bytes += kPageSize << info.order;
    live_slots += size_t{info.slots - reading.free_slots} * info.size;
  }
  for (unsigned index = 1; index < slab::kClassCount; ++index) {
    const size_t in_bins = bins.slots[index] * kClasses[index].size;
    live_slots -= in_bins < live_slots ? in_bins : live_slots;
  }
  const size_t run_bytes = pages_to_bytes(bins.run_pages);
  totals.live += live_slots;
  totals.live -= run_bytes < totals.live ? run_bytes : totals.live;
  totals.cached = slab_bytes - live_slots + run_bytes;
  size_t free_pages = 0;
  size_t dirty_pages = 0;
  g_pages.buddy_counts(&free_pages, &dirty_pages);
  totals.dirty = pages_to_bytes(dirty_pages);
  size_t clean[page::kMaxOrder + 1];
  size_t dirty[page::kMaxOrder + 1];
  g_pages.count_blocks(clean, dirty);
  for (unsigned order = 0; order <= page::kMaxOrder; ++order)
    totals.free_blocks += clean[order] + dirty[order];
  size_t peak_direct = 0;
  size_t table_bytes = 0;
  g_direct.totals(&totals.direct_blocks, &totals.direct_bytes, &peak_direct, &table_bytes);
  totals.peak = totals.opened + peak_direct;
  return totals;
}

}  // namespace ashlar::stats
