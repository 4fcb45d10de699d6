// One slab: 2^order aligned pages of equal slots, governed by one atomic word. No thread owns it.
//
// Its record stands at the unit (16 KiB of heap) where the slab begins, out of band:
//
//   UnitMeta, 144 B
//     word        | 63..48 generation | 31..16 free slots | 15..8 class | 1 live | 0 excluded |
//     touched     one bit a page: it may be resident
//     free_bits   one bit a slot: it is free (in the slab; slots in thread caches are not)
//
// All zero is "no slab begins here"; a live word is never zero. The word of a unit is never used for
// anything else, also when the unit lies inside a bigger slab or block, so whoever comes late finds
// out: he can exclude only what is a live slab of the class he wants, and that is as good as the
// one he looked for. The generation is for reports alone.
//
// INVARIANT: not excluded and live  =>  free slots = number of ones in free_bits.
// INVARIANT: not excluded and live  =>  available bit set if free slots >= enough (class_index.h).
// INVARIANT: a slot outside free_bits was handed out, so its pages are touched.
// LOCKS: setting bit 0 by compare-and-swap excludes everybody else from the record; the store of the
// new word ends it. A few instructions long, and nothing else is locked inside it.
// ORDER: the compare-and-swap acquires, the store releases: what was written into a slot before it
// was freed, and into free_bits and touched, is seen by whoever takes the slot. All interleavings of small
// programs are explored by tests/model (docs/concurrency.md).
#pragma once

#include <atomic>

#include "base/relaxed.h"
#include "os/lock.h"
#include "os/system.h"
#include "page/page_layer.h"
#include "slab/size_class.h"

namespace ashlar::slab {

struct UnitMeta {
  std::atomic<uint64_t> word;
  Relaxed<uint64_t> touched;  // written by whoever has excluded the others; the statistics read at any time
  Relaxed<uint64_t> free_bits[kMaxSlots / 64];
};
static_assert(sizeof(UnitMeta) == 144 && offsetof(UnitMeta, free_bits) == 16);

// The slab layer's part of a chunk record.
struct ChunkSlabs {
  std::atomic<uint64_t> available[96];    // per class: bit u, the slab at unit u is worth refilling from
  std::atomic<uint64_t> hole_candidates;  // bit u: the slab at unit u may hold whole free pages
  uint64_t unused;
  UnitMeta units[kUnitsPerChunk];
};
static_assert(sizeof(ChunkSlabs) <= page::kClientBytesPerChunk);
static_assert(kClassCount <= 96);

// And of a summary record: which children have an available slab of a class.
struct SummarySlabs {
  std::atomic<uint64_t> available[96];
  std::atomic<uint64_t> hole_candidates;
};
static_assert(sizeof(SummarySlabs) <= page::kClientBytesPerSummary);

inline ChunkSlabs& slabs_of_chunk(ChunkIndex chunk) {
  return *reinterpret_cast<ChunkSlabs*>(page::g_window_owner.chunk(chunk).client);
}
inline SummarySlabs& slabs_of_group(ChunkIndex chunk) {
  return *reinterpret_cast<SummarySlabs*>(page::g_window_owner.group(chunk).client);
}
inline SummarySlabs& slabs_of_super(ChunkIndex chunk) {
  return *reinterpret_cast<SummarySlabs*>(page::g_window_owner.super(chunk).client);
}
inline UnitMeta& unit_meta(UnitIndex unit) {
  return slabs_of_chunk(unit / kUnitsPerChunk).units[unit % kUnitsPerChunk];
}

inline constexpr uint64_t kExcluded = 1;
inline constexpr uint64_t kLive = 2;
inline constexpr unsigned kFreeShift = 16;
inline constexpr uint64_t kGenerationStep = uint64_t{1} << 48;

constexpr uint64_t make_word(unsigned index, unsigned free_slots) {
  return kLive | uint64_t{index} << 8 | uint64_t{free_slots} << kFreeShift;
}
constexpr unsigned word_class(uint64_t word) { return static_cast<unsigned>(word >> 8 & 0xff); }
constexpr unsigned word_free(uint64_t word) { return static_cast<unsigned>(word >> kFreeShift & 0xffff); }
constexpr uint64_t add_free(uint64_t word, unsigned slots) { return word + (uint64_t{slots} << kFreeShift); }
constexpr uint64_t sub_free(uint64_t word, unsigned slots) { return word - (uint64_t{slots} << kFreeShift); }
static_assert(word_free(add_free(make_word(80, 1000), 24)) == 1024 && word_class(make_word(80, 1000)) == 80);

// Excludes others if the slab is live, of this class and free to take: *word is then its word
// without the exclusion bit. False: somebody else is at it, or it is no such slab.
inline bool try_exclude(UnitMeta& meta, unsigned index, uint64_t* word) {
  // ORDER: relaxed: an old word makes the compare-and-swap fail, which is an answer like any other.
  uint64_t current = meta.word.load(std::memory_order_relaxed);
  if ((current & (kExcluded | kLive)) != kLive || word_class(current) != index) return false;
  *word = current;
  if (os::single_threaded()) {  // ORDER: none: there is nobody else
    meta.word.store(current | kExcluded, std::memory_order_relaxed);
    return true;
  }
  // ORDER: acquire pairs with the release of admit.
  return meta.word.compare_exchange_strong(current, current | kExcluded, std::memory_order_acquire,
                                           std::memory_order_relaxed);
}

bool exclude_slow(UnitMeta& meta, unsigned index, uint64_t* word);  // slab_cache.cc

// The same, but waits for whoever is at it. False: no live slab of this class.
inline bool exclude(UnitMeta& meta, unsigned index, uint64_t* word) {
  return ASHLAR_LIKELY(try_exclude(meta, index, word)) || exclude_slow(meta, index, word);
}

// Ends the exclusion with a new word (0: the slab is dead).
// ORDER: release pairs with the acquire of try_exclude.
inline void admit(UnitMeta& meta, uint64_t word) { meta.word.store(word, std::memory_order_release); }

}  // namespace ashlar::slab
