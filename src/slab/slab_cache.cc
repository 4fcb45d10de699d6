#include "slab/slab_cache.h"

#include "base/options.h"
#include "os/fatal.h"

namespace ashlar::slab {

using page::g_pages;
using page::page_address;

constinit SampledSizes g_sampled[kClassCount];
constinit std::atomic<size_t> g_hole_backlog{0};

namespace {

constexpr unsigned kSlabsARefill = 4;     // slabs that one refill looks into
constexpr unsigned kCandidatesASlab = 8;  // slabs searched for holes when a new one takes clean pages
constexpr uint32_t kKeptPages = 64;       // 256 KiB of empty slabs kept, in all classes together

// Per class: 1 + the unit of the empty slab that is kept, 0: none.
// ORDER: relaxed, all three. An entry only names a slab: its word is excluded before anything is done with
// it, and the entry of a slab is set and cleared by who has excluded that slab. The pages are a sum that only
// limits.
constinit std::atomic<uint32_t> g_kept[kClassCount];
constinit std::atomic<uint32_t> g_kept_pages{0};
constinit std::atomic<uint64_t> g_generation{0};

unsigned slab_pages(const ClassInfo& info) { return 1u << info.order; }
uintptr_t slab_address(UnitIndex unit) { return page_address(first_page_of_unit(unit)); }

// Where addresses are scarce none is kept: it would hold the end of the window, which others need.
bool try_keep(unsigned index, UnitIndex unit, uint32_t pages) {
  if (page::g_window_owner.is_limited()) return false;
  if (g_kept[index].load(std::memory_order_relaxed) != 0) return false;
  if (g_kept_pages.fetch_add(pages, std::memory_order_relaxed) + pages > kKeptPages) {
    g_kept_pages.fetch_sub(pages, std::memory_order_relaxed);
    return false;
  }
  uint32_t expected = 0;
  if (g_kept[index].compare_exchange_strong(expected, unit + 1, std::memory_order_relaxed)) return true;
  g_kept_pages.fetch_sub(pages, std::memory_order_relaxed);
  return false;
}

// The slots that a refill claimed, as bits; chained after the exclusion has ended.
struct Claim {
  uint64_t bits[kMaxSlots / 64];
  unsigned words;
  unsigned count;
};

// The lowest `count` ones of word.
uint64_t lowest_ones(uint64_t word, unsigned count) {
  if (count_bits(word) <= count) return word;
  uint64_t rest = word;
  for (unsigned i = 0; i < count; ++i)
    rest &= rest - 1;
  return word & ~rest;
}

// Free slots among [first, end), lowest first.
void claim_range(UnitMeta& meta, unsigned first, unsigned end, unsigned want, Claim* claim) {
  for (unsigned word = first / 64; word * 64 < end && claim->count < want; ++word) {
    uint64_t mask = ~uint64_t{0};
    if (word == first / 64) mask &= ~uint64_t{0} << (first % 64);
    if (end - word * 64 < 64) mask &= bit_range(0, end - word * 64);
    const uint64_t take = lowest_ones(meta.free_bits[word] & mask, want - claim->count);
    claim->count += count_bits(take);
    meta.free_bits[word] &= ~take;
    claim->bits[word] |= take;
  }
}

// Slots whose pages are all touched, lowest first: run by run of touched pages.
void claim_touched(UnitMeta& meta, const ClassInfo& info, unsigned want, Claim* claim) {
  uint64_t rest = meta.touched;
  while (rest != 0 && claim->count < want) {
    const unsigned page = lowest_bit(rest);
    const unsigned count = static_cast<unsigned>(std::countr_one(rest >> page));
    const uint32_t start = page << kPageShift;
    const unsigned first = slot_at(info, start + info.size - 1);  // the first that begins in the run
    unsigned end = slot_at(info, start + (count << kPageShift));  // behind the last that ends in it
    if (end > info.slots) end = info.slots;
    if (first < end) claim_range(meta, first, end, want, claim);
    rest &= ~bit_range(page, count);
  }
}

// Nothing free is touched: touches the pages of the lowest free slot and takes what lies on them.
void claim_fresh(UnitMeta& meta, const ClassInfo& info, unsigned want, Claim* claim) {
  unsigned word = 0;
  while (meta.free_bits[word] == 0)
    ++word;
  meta.touched |= detail::pages_of_slot(info, word * 64 + lowest_bit(meta.free_bits[word]));
  claim_touched(meta, info, want, claim);
}

// PRECONDITION: the slab is excluded by the caller, with at least one free slot.
void claim_slots(UnitMeta& meta, const ClassInfo& info, unsigned want, Claim* claim) {
  claim->words = (info.slots + 63u) / 64;
  claim->count = 0;
  for (unsigned word = 0; word < claim->words; ++word)
    claim->bits[word] = 0;
  claim_touched(meta, info, want, claim);
  if (claim->count == 0) claim_fresh(meta, info, want, claim);
  ASHLAR_DCHECK(claim->count > 0);
}

// Links the claimed slots behind *tail, in address order, and moves *tail to the last.
void chain_claim(const Claim& claim, const ClassInfo& info, uintptr_t slab, void*** tail) {
  void** last = *tail;
  for (unsigned word = 0; word < claim.words; ++word) {
    const uintptr_t start = slab + uintptr_t{word} * 64 * info.size;
    for (uint64_t rest = claim.bits[word]; rest != 0; rest &= rest - 1) {
      void** const slot = reinterpret_cast<void**>(start + lowest_bit(rest) * uintptr_t{info.size});
      *last = slot;
      last = slot;
    }
  }
  *tail = last;
}

// A new slab of this class, excluded by the caller as long as its word is unpublished. kNoUnit: no memory.
UnitIndex create_slab(unsigned index, const ClassInfo& info, bool* fresh) {
  uint64_t touched = 0;
  const PageIndex page = g_pages.allocate(slab_pages(info), info.order, &touched);
  if (page == kNoPage) return kNoUnit;
  *fresh = touched == 0;
  const UnitIndex unit = unit_of_page(page);
  UnitMeta& meta = unit_meta(unit);
  meta.touched = touched;
  const unsigned words = (info.slots + 63u) / 64;
  for (unsigned word = 0; word < words; ++word) {
    const unsigned left = info.slots - word * 64;
    meta.free_bits[word] = bit_range(0, left < 64 ? left : 64);
  }
  uint8_t* const map = page::g_window.map + page;
  // ORDER: relaxed: a pointer into these pages reaches others only through the word, published below with
  // release, and whatever the program hands it over with.
  for (unsigned i = 0; i < slab_pages(info); ++i)
    __atomic_store_n(map + i, class_code(index), __ATOMIC_RELAXED);
  return unit;
}

// Dead at once for everybody; then its pages go back. PRECONDITION: excluded, all slots free.
void retire(UnitIndex unit, UnitMeta& meta, unsigned index) {
  const ClassInfo& info = kClasses[index];
  clear_available(index, unit);
  if (is_available(kHoleIndex, unit)) detail::unmark_candidate(unit, index);
  const uint64_t touched = meta.touched;
  const PageIndex page = first_page_of_unit(unit);
  // ORDER: relaxed: no pointer into these pages is left; whoever gets the pages next does so by the page
  // lock.
  for (unsigned i = 0; i < slab_pages(info); ++i)
    __atomic_store_n(page::g_window.map + page + i, 0, __ATOMIC_RELAXED);
  admit(meta, 0);
  g_pages.release(page, slab_pages(info), touched);
}

}  // namespace

namespace detail {

// LOCKS: the slab is excluded by the caller of both.
// ORDER: relaxed: the backlog is an estimate.
void mark_candidate(UnitIndex unit, unsigned index) {
  g_hole_backlog.fetch_add(slab_pages(kClasses[index]) / 2, std::memory_order_relaxed);
  set_available(kHoleIndex, unit);
}

void unmark_candidate(UnitIndex unit, unsigned index) {
  if (!clear_available(kHoleIndex, unit)) return;
  g_hole_backlog.fetch_sub(slab_pages(kClasses[index]) / 2, std::memory_order_relaxed);
}

void forget_kept(unsigned index, UnitIndex unit) {
  uint32_t expected = unit + 1;
  if (g_kept[index].load(std::memory_order_relaxed) == expected &&
      g_kept[index].compare_exchange_strong(expected, 0, std::memory_order_relaxed)) {
    g_kept_pages.fetch_sub(slab_pages(kClasses[index]), std::memory_order_relaxed);
  }
}

uint64_t pages_of_slot(const ClassInfo& info, unsigned slot) {
  const uint32_t offset = slot * info.size;
  const unsigned first = offset >> kPageShift;
  const unsigned last = (offset + info.size - 1) >> kPageShift;
  return bit_range(first, last - first + 1);
}

void double_free(UnitIndex unit, unsigned index, unsigned slot, uint64_t word) {
  if (word != 0) admit(unit_meta(unit), word);
  const ClassInfo& info = kClasses[index];
  os::Message message;
  message.text("double free of ").hex(slab_address(unit) + size_t{slot} * info.size);
  message.text(": slot ")
      .number(slot)
      .text(" of ")
      .number(info.slots)
      .text(" in the slab of ")
      .number(info.size);
  message.text(" B blocks at ").hex(slab_address(unit)).text(" is free already");
  os::fatal(message);
}

void no_slot(const void* p, unsigned index) {
  const ClassInfo& info = kClasses[index];
  const uint32_t offset =
      static_cast<uint32_t>((reinterpret_cast<uintptr_t>(p) - page::g_window.base) & info.offset_mask);
  const unsigned slot = slot_at(info, offset);
  os::Message message;
  message.text("bad pointer ")
      .hex(reinterpret_cast<uintptr_t>(p))
      .text(", freed or resized, is no block's start: it lies ");
  message.number(offset - slot * info.size).text(" bytes into slot ").number(slot).text(" of the slab of ");
  message.number(info.size).text(" B blocks at ").hex(reinterpret_cast<uintptr_t>(p) - offset);
  os::fatal(message);
}

void settle(UnitIndex unit, UnitMeta& meta, uint64_t before, uint64_t after, bool freed) {
  const unsigned index = word_class(after);
  const ClassInfo& info = kClasses[index];
  const unsigned had = word_free(before);
  const unsigned has = word_free(after);
  if (has == info.slots && !try_keep(index, unit, slab_pages(info))) {
    retire(unit, meta, index);
    return;
  }
  if (had < info.enough && has >= info.enough) set_available(index, unit);
  const bool holes = freed && may_hold_holes(info, had, has);
  if (holes && !is_available(kHoleIndex, unit)) mark_candidate(unit, index);
  admit(meta, after);
  if (holes) relieve_holes();
}

}  // namespace detail

bool exclude_slow(UnitMeta& meta, unsigned index, uint64_t* word) {
  os::Backoff backoff;
  for (;;) {
    // ORDER: relaxed: the caller holds a slot of this slab (or frees what it must not), so it has seen the
    // word live and the slab cannot have died since.
    const uint64_t current = meta.word.load(std::memory_order_relaxed);
    if ((current & kLive) == 0 || word_class(current) != index) return false;
    if (try_exclude(meta, index, word)) return true;
    backoff.wait();
  }
}

Chain take_slots(unsigned index, unsigned want) {
  const ClassInfo& info = kClasses[index];
  Chain chain{nullptr, 0};
  void** tail = &chain.head;
  Claim claim;
  UnitIndex from = 0;
  for (unsigned looked = 0; chain.length < want && looked < kSlabsARefill; ++looked) {
    const UnitIndex unit = find_available(index, from);
    if (unit == kNoUnit) break;
    from = unit + 1;
    UnitMeta& meta = unit_meta(unit);
    uint64_t word = 0;
    if (!try_exclude(meta, index, &word)) continue;  // somebody is at it, or it died: the next
    const unsigned free = word_free(word);
    if (free == 0) {
      clear_available(index, unit);
      admit(meta, word);
      continue;
    }
    if (free == info.slots) detail::forget_kept(index, unit);
    claim_slots(meta, info, want - chain.length, &claim);
    const uint64_t after = sub_free(word, claim.count);
    if (word_free(after) == 0) clear_available(index, unit);
    admit(meta, after);
    chain_claim(claim, info, slab_address(unit), &tail);
    chain.length += claim.count;
  }
  if (chain.length == 0) {
    bool fresh = false;
    const UnitIndex unit = create_slab(index, info, &fresh);
    if (unit == kNoUnit) return chain;
    UnitMeta& meta = unit_meta(unit);
    claim_slots(meta, info, want, &claim);
    const unsigned left = info.slots - claim.count;
    const uint64_t generation = g_generation.fetch_add(1, std::memory_order_relaxed)
                                << 48;  // ORDER: for reports
    admit(meta, make_word(index, left) | kExcluded);
    if (left > 0) set_available(index, unit);
    admit(meta, make_word(index, left) | generation);
    chain_claim(claim, info, slab_address(unit), &tail);
    chain.length = claim.count;
    // Memory that would stay resident grows: see whether live slabs have as much to give back.
    if (fresh && g_options.hole_purge != 0) purge_candidates(slab_pages(info), kCandidatesASlab, Yield::kAny);
  }
  *tail = nullptr;
  return chain;
}

size_t release_kept() {
  size_t pages = 0;
  for (unsigned index = 1; index < kClassCount; ++index) {
    const uint32_t kept = g_kept[index].load(std::memory_order_relaxed);
    if (kept == 0) continue;
    UnitMeta& meta = unit_meta(kept - 1);
    uint64_t word = 0;
    if (!try_exclude(meta, index, &word)) continue;
    if (word_free(word) != kClasses[index].slots) {
      admit(meta, word);
      continue;
    }
    detail::forget_kept(index, kept - 1);
    retire(kept - 1, meta, index);
    pages += slab_pages(kClasses[index]);
  }
  return pages;
}

bool is_slot_free(const SlotPlace& place) {
  const UnitMeta& meta = unit_meta(place.unit);
  return (meta.free_bits[place.slot / 64] & bit(place.slot % 64)) != 0;
}

bool read_slab(UnitIndex unit, SlabReading* reading) {
  UnitMeta& meta = unit_meta(unit);
  // ORDER: acquire pairs with admit: bits at least as new as the word, if not of one moment.
  const uint64_t word = meta.word.load(std::memory_order_acquire);
  if ((word & kLive) == 0) return false;
  reading->index = word_class(word);
  reading->free_slots = word_free(word);
  reading->touched = meta.touched;
  return true;
}

void repair_after_fork() {
  const ChunkIndex chunks = page::g_window_owner.opened_chunks();
  for (UnitIndex unit = 0; unit < chunks * kUnitsPerChunk; ++unit) {
    UnitMeta& meta = unit_meta(unit);
    const uint64_t word = meta.word.load(std::memory_order_relaxed);  // ORDER: no other thread runs
    if ((word & kExcluded) == 0) continue;
    const unsigned index = word_class(word);
    unsigned free = 0;
    for (unsigned i = 0; i < (kClasses[index].slots + 63u) / 64; ++i)
      free += count_bits(meta.free_bits[i]);
    if (free >= kClasses[index].enough) set_available(index, unit);
    admit(meta, make_word(index, free));
  }
}

bool check_invariants() {
  const ChunkIndex chunks = page::g_window_owner.opened_chunks();
  for (UnitIndex unit = 0; unit < chunks * kUnitsPerChunk; ++unit) {
    const UnitMeta& meta = unit_meta(unit);
    const uint64_t word = meta.word.load(std::memory_order_acquire);
    if (word == 0) continue;
    ASHLAR_CHECK((word & (kLive | kExcluded)) == kLive);
    const unsigned index = word_class(word);
    ASHLAR_CHECK(index > 0 && index < kClassCount);
    const ClassInfo& info = kClasses[index];
    ASHLAR_CHECK(first_page_of_unit(unit) % slab_pages(info) == 0);
    unsigned free = 0;
    for (unsigned slot = 0; slot < info.slots; ++slot) {
      const bool is_free = (meta.free_bits[slot / 64] & bit(slot % 64)) != 0;
      free += is_free ? 1 : 0;
      ASHLAR_CHECK(is_free || (detail::pages_of_slot(info, slot) & ~meta.touched) == 0);
    }
    ASHLAR_CHECK(free == word_free(word));
    ASHLAR_CHECK(free < info.enough || is_available(index, unit));
    for (unsigned i = 0; i < slab_pages(info); ++i) {
      ASHLAR_CHECK(page::g_window.map[first_page_of_unit(unit) + i] == class_code(index));
    }
  }
  return true;
}

}  // namespace ashlar::slab
