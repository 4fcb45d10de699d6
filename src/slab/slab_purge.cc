// Hole purging: pages of a live slab on which every slot is free go back to the system, and the slab
// lives on.
//
// The free slots that touch such pages are claimed, as a refill would; then nobody can hand them out
// while madvise runs, and the exclusion need not be held meanwhile. Afterwards the pages are noted
// as untouched and the slots put back. A slot that straddles a purged page and one that stays is
// claimed too, so the neighbour of a hole is never handed out half purged.
#include "base/options.h"
#include "os/fatal.h"
#include "os/system.h"
#include "slab/slab_cache.h"

namespace ashlar::slab {

namespace {

// PERF: 1: RSS after the phase shift's frees 231 MiB, a total free 2.2 times slower; 2: 263 MiB, 1.35
// times; 3: 346 MiB, 1.1 times; never: 442 MiB. docs/decisions/hole-purging.md.
constexpr size_t kReliefBudgets = 2;  // dirty budgets that the estimated holes may reach
constexpr size_t kAnyBudgets = 3;  // and those from which on any candidate is searched, be it hardly worth it
// Pages (32 MiB) below which frees look for no holes: a heap of some 50 MiB that is filled and freed again
// and again would give back what it needs at once, until regret has grown (500 ns a block instead of 50).
constexpr size_t kReliefFloor = 8192;
constexpr size_t kReliefPages = 16;   // most that one free purges, or little more
constexpr unsigned kReliefSlabs = 4;  // and the slabs it looks into

// ORDER: relaxed: where to look next, a hint that threads may overwrite.
constinit std::atomic<UnitIndex> g_next_candidate{0};

struct Holes {
  uint64_t pages;                  // touched pages without a slot in use
  uint64_t slots[kMaxSlots / 64];  // the free slots that touch them
  unsigned count;                  // number of these
};

bool all_free(const UnitMeta& meta, unsigned first, unsigned last) {
  for (unsigned word = first / 64; word <= last / 64; ++word) {
    const unsigned from = word == first / 64 ? first % 64 : 0;
    const unsigned to = word == last / 64 ? last % 64 : 63;
    const uint64_t mask = bit_range(from, to - from + 1);
    if ((meta.free_bits[word] & mask) != mask) return false;
  }
  return true;
}

// The slots that touch a page: first to last; first >= slots if none does.
struct SlotRange {
  unsigned first, last;
};
SlotRange slots_on(const ClassInfo& info, unsigned page) {
  const unsigned last = slot_at(info, (page << kPageShift) + static_cast<uint32_t>(kPageSize) - 1);
  return SlotRange{slot_at(info, page << kPageShift), last < info.slots ? last : info.slots - 1u};
}

// Without the pages whose kernel page is not in the mask whole: madvise would take its neighbours too.
uint64_t whole_kernel_pages(uint64_t pages) {
  const unsigned grain = static_cast<unsigned>(os::page_size() / kPageSize);
  if (grain == 1) return pages;
  uint64_t whole = 0;
  for (unsigned first = 0; first + grain <= 64; first += grain) {
    const uint64_t group = bit_range(first, grain);
    if ((pages & group) == group) whole |= group;
  }
  return whole;
}

// PRECONDITION: excluded. A slab of 16 KiB stands on whole kernel pages for pages of up to 16 KiB; with
// larger ones only the larger slabs are purged.
void find_holes(const UnitMeta& meta, const ClassInfo& info, Holes* holes) {
  uint64_t pages = 0;
  for (uint64_t rest = meta.touched; rest != 0; rest &= rest - 1) {
    const unsigned page = lowest_bit(rest);
    const SlotRange range = slots_on(info, page);
    if (range.first >= info.slots || all_free(meta, range.first, range.last)) pages |= bit(page);
  }
  holes->pages = whole_kernel_pages(pages);
  holes->count = 0;
  for (uint64_t& word : holes->slots)
    word = 0;
  for (uint64_t rest = holes->pages; rest != 0; rest &= rest - 1) {
    const SlotRange range = slots_on(info, lowest_bit(rest));
    for (unsigned slot = range.first; slot <= range.last && range.first < info.slots; ++slot) {
      const uint64_t slot_bit = bit(slot % 64);
      if ((holes->slots[slot / 64] & slot_bit) == 0) ++holes->count;
      holes->slots[slot / 64] |= slot_bit;
    }
  }
}

// Purges the runs of pages in the mask; the bits of those that were purged.
uint64_t discard_pages(UnitIndex unit, uint64_t pages) {
  uint64_t purged = 0;
  while (pages != 0) {
    const unsigned first = lowest_bit(pages);
    const unsigned count = static_cast<unsigned>(std::countr_one(pages >> first));
    const uint64_t run = bit_range(first, count);
    if (page::g_pages.discard(first_page_of_unit(unit) + first, count, count, true)) purged |= run;
    pages &= ~run;
  }
  return purged;
}

// Six in ten of the pages of the slab are likely to be holes.
// ORDER: relaxed: a hint, here and in the first look of purge_holes_of; try_exclude decides.
bool is_mostly_holes(UnitIndex unit) {
  const uint64_t word = unit_meta(unit).word.load(std::memory_order_relaxed);
  return word_free(word) >= kClasses[word_class(word)].relief_slots;
}

}  // namespace

size_t purge_holes_of(UnitIndex unit) {
  UnitMeta& meta = unit_meta(unit);
  const uint64_t seen = meta.word.load(std::memory_order_relaxed);
  if ((seen & kLive) == 0) return 0;
  const unsigned index = word_class(seen);
  const ClassInfo& info = kClasses[index];
  uint64_t word = 0;
  if (!try_exclude(meta, index, &word)) return 0;
  if (is_available(kHoleIndex, unit)) detail::unmark_candidate(unit, index);
  Holes holes;
  find_holes(meta, info, &holes);
  if (holes.pages == 0) {
    admit(meta, word);
    return 0;
  }
  if (word_free(word) == info.slots) detail::forget_kept(index, unit);
  for (unsigned i = 0; i < kMaxSlots / 64; ++i)
    meta.free_bits[i] &= ~holes.slots[i];
  admit(meta, sub_free(word, holes.count));
  const uint64_t purged = discard_pages(unit, holes.pages);
  // The slots are this thread's: the slab cannot have died meanwhile.
  const bool live = exclude(meta, index, &word);
  ASHLAR_CHECK(live);
  meta.touched &= ~purged;
  for (unsigned i = 0; i < kMaxSlots / 64; ++i)
    meta.free_bits[i] |= holes.slots[i];
  detail::settle(unit, meta, word, add_free(word, holes.count), false);
  return count_bits(purged);
}

// Round and round through the window, so that a slab has time to lose more slots before its turn comes.
size_t purge_candidates(size_t pages, unsigned most_slabs, Yield yield) {
  size_t purged = 0;
  UnitIndex from = g_next_candidate.load(std::memory_order_relaxed);
  for (unsigned looked = 0; purged < pages && looked < most_slabs; ++looked) {
    UnitIndex unit = find_available(kHoleIndex, from);
    if (unit == kNoUnit && from > 0) unit = find_available(kHoleIndex, 0);
    if (unit == kNoUnit) break;
    from = unit + 1;
    if (yield == Yield::kAny || is_mostly_holes(unit)) purged += purge_holes_of(unit);
  }
  g_next_candidate.store(from, std::memory_order_relaxed);
  return purged;
}

void relieve_holes() {
  const size_t budget = page::g_pages.budget_hint();
  if (budget > SIZE_MAX / kReliefBudgets) return;                         // nothing was handed out yet
  const size_t backlog = g_hole_backlog.load(std::memory_order_relaxed);  // ORDER: an estimate
  if (backlog <= kReliefFloor || backlog <= kReliefBudgets * budget || g_options.hole_purge == 0) return;
  const bool many = backlog > kAnyBudgets * budget && backlog > 2 * kReliefFloor;
  purge_candidates(kReliefPages, kReliefSlabs, many ? Yield::kAny : Yield::kMost);
}

size_t purge_all_holes() {
  size_t purged = 0;
  const ChunkIndex chunks = page::g_window_owner.opened_chunks();
  for (ChunkIndex chunk = 0; chunk < chunks; ++chunk) {
    if (page::g_pages.is_clean_chunk(chunk)) continue;
    for (UnitIndex unit = 0; unit < kUnitsPerChunk; ++unit)
      purged += purge_holes_of(chunk * kUnitsPerChunk + unit);
  }
  return purged;
}

}  // namespace ashlar::slab
