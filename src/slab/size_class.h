// Size classes, made at compile time: which sizes there are, and how a slab of each is laid out.
//
//   1 .. 32    16 B steps to 512 B
//   33 .. 86   eight classes a doubling, and a ninth just above the power of two, for what is a power of two
//              and a small header: 544, 576, 640, ... 1024, 1088, 1152, ... 32 KiB
//              (docs/decisions/half-step-classes.md)
//
// Class 0 is no class: malloc(0) and pages without a slab use it. Every size is a multiple of 16.
// A slab has 2^order pages, fixed for its class: the smallest of 32 to 256 KiB (16 KiB for 16 B) with at
// least eight slots and little waste at its end (docs/decisions/slab-size.md).
#pragma once

#include <array>

#include "base/bits.h"
#include "base/types.h"

namespace ashlar::slab {

using ClassIndex = uint8_t;

inline constexpr unsigned kLinearClasses = 32;
inline constexpr size_t kLinearLimit = 512;
inline constexpr size_t kTableLimit = 1024;  // sizes up to here are looked up in a table
inline constexpr size_t kMaxSlotSize = 32 * kKiB;
inline constexpr unsigned kClassCount = 87;  // classes 1 to 86, and 0
inline constexpr unsigned kClassesADoubling = 9;
inline constexpr unsigned kMaxSlots = 1024;  // slots of a slab: the free bits of one unit record
inline constexpr unsigned kReciprocalShift = 38;

struct ClassInfo {
  uint32_t size;          // bytes of a slot
  uint16_t slots;         // of a slab
  uint8_t order;          // 2^order pages a slab, 2 to 6
  uint16_t enough;        // free slots that make a slab worth refilling from
  uint16_t hole_slots;    // free slots from which on whole free pages are likely; 0: never
  uint16_t relief_slots;  // free slots from which on most of the pages are likely to be holes; 0: never
  uint8_t hole_shift;     // from there on, holes are looked for anew with every 2^hole_shift further ones
  uint32_t offset_mask;   // bytes of a slab - 1
  uint16_t noted_from;    // free slots from which on more than `enough` is to be noted as they rise
  uint64_t reciprocal;    // ceil(2^38 / size): offset / size without a division
};

// The class of a size, 1 <= size <= 32 KiB. Constant time.
constexpr unsigned class_of_size(size_t size) {
  if (size <= kLinearLimit) return static_cast<unsigned>((size + 15) / 16);
  const size_t last = size - 1;
  const unsigned log = highest_bit(last);  // 9 for 513..1024
  const unsigned sixteenth = static_cast<unsigned>(last >> (log - 4)) & 15;
  const unsigned step = sixteenth == 0 ? 0 : sixteenth / 2 + 1;
  return kLinearClasses + (log - 9) * kClassesADoubling + step + 1;
}

constexpr uint32_t size_of_class(unsigned index) {
  if (index <= kLinearClasses) return index * 16;
  const unsigned above = index - kLinearClasses - 1;
  const unsigned log = 9 + above / kClassesADoubling;
  const unsigned step = above % kClassesADoubling;
  return (1u << log) + (step == 0 ? 1u << (log - 4) : step << (log - 3));
}

namespace detail {

consteval unsigned slab_order(uint32_t size) {
  unsigned order = size >= 32 ? 3 : 2;  // no more than 1024 slots; docs/decisions/slab-size.md
  for (; order < 6; ++order) {
    const uint32_t bytes = static_cast<uint32_t>(kPageSize << order);
    const uint32_t slots = bytes / size;
    if (slots >= 8 && (bytes - slots * size) * 50 <= bytes) break;
  }
  return order;
}

// Free slots at which a page of a slab is free with this chance, if frees fall at random:
// share^(slots that touch a page) >= chance. docs/decisions/hole-purging.md.
consteval uint16_t slots_for_holes(uint32_t size, unsigned slots, double chance) {
  const unsigned on_page = static_cast<unsigned>(kPageSize / size) + (kPageSize % size == 0 ? 0 : 1);
  if (on_page > 32) return 0;  // next to nothing to gain under 128 B
  for (unsigned free = 1; free <= slots; ++free) {
    double share = 1;
    for (unsigned i = 0; i < on_page; ++i)
      share *= static_cast<double>(free) / slots;
    if (share >= chance) return static_cast<uint16_t>(free);
  }
  return 0;
}

consteval std::array<ClassInfo, kClassCount> make_classes() {
  std::array<ClassInfo, kClassCount> classes{};
  for (unsigned index = 1; index < kClassCount; ++index) {
    ClassInfo& info = classes[index];
    info.size = size_of_class(index);
    const unsigned order = slab_order(info.size);
    info.order = static_cast<uint8_t>(order);
    info.offset_mask = static_cast<uint32_t>(kPageSize << order) - 1;
    info.slots = static_cast<uint16_t>((kPageSize << order) / info.size);
    info.enough = info.slots >= 32 ? static_cast<uint16_t>(info.slots / 32) : uint16_t{1};
    info.hole_slots = slots_for_holes(info.size, info.slots, 0.2);
    info.relief_slots = slots_for_holes(info.size, info.slots, 0.6);
    info.noted_from = info.hole_slots == 0 ? info.slots : info.hole_slots;
    info.hole_shift = static_cast<uint8_t>(info.slots >= 64 ? highest_bit(info.slots / 32u) : 0);
    info.reciprocal = ((uint64_t{1} << kReciprocalShift) + info.size - 1) / info.size;
  }
  return classes;
}

}  // namespace detail

inline constexpr std::array<ClassInfo, kClassCount> kClasses = detail::make_classes();

inline constexpr unsigned slot_at(const ClassInfo& info, uint32_t offset) {
  return static_cast<unsigned>(offset * info.reciprocal >> kReciprocalShift);
}

// What the page map and the malloc table hold: twice the class, the index of its bin in 8-byte words.
inline constexpr uint8_t class_code(unsigned index) { return static_cast<uint8_t>(index * 2); }

namespace detail {
consteval std::array<uint8_t, kTableLimit / 16 + 1> make_code_table() {
  std::array<uint8_t, kTableLimit / 16 + 1> table{};
  for (unsigned i = 1; i < table.size(); ++i)
    table[i] = class_code(class_of_size(i * 16));
  return table;
}

consteval bool classes_are_sound() {
  for (unsigned index = 1; index < kClassCount; ++index) {
    const ClassInfo& info = kClasses[index];
    if (info.size % 16 != 0 || info.slots > kMaxSlots || info.slots < 8) return false;
    if (index > 1 && info.size <= kClasses[index - 1].size) return false;                   // rising
    if (class_of_size(info.size) != index) return false;                                    // round trip
    if (class_of_size(kClasses[index - 1].size + 1) != index) return false;                 // no gap
    if (index > 9 && (info.size - kClasses[index - 1].size) * 8 > info.size) return false;  // waste < 12.5 %
    for (unsigned slot = 0; slot < info.slots; ++slot) {                                    // division
      if (slot_at(info, slot * info.size) != slot) return false;
      if (slot_at(info, slot * info.size + info.size - 1) != slot) return false;
    }
  }
  return kClasses[kClassCount - 1].size == kMaxSlotSize;
}
}  // namespace detail
static_assert(detail::classes_are_sound());

// kCodeTable[(size + 15) / 16] for sizes up to 1 KiB.
inline constexpr std::array<uint8_t, kTableLimit / 16 + 1> kCodeTable = detail::make_code_table();

}  // namespace ashlar::slab
