// The slots that are out; see slab_model.h.
#include "slab_model.h"

#include <cstring>

namespace ashlar::slab {

void SlabModel::take(unsigned index, unsigned want) {
  const uintptr_t size = kClasses[index].size;
  uintptr_t before = 0;
  for (char* const slot : slab::take(index, want)) {
    const uintptr_t start = reinterpret_cast<uintptr_t>(slot);
    ASSERT_GT(start, before) << "not in address order";
    before = start;
    ASSERT_EQ(start % 16, 0u);
    const auto [place, is_new] = live_.emplace(start, index);
    ASSERT_TRUE(is_new) << "handed out twice";
    if (place != live_.begin()) {
      ASSERT_LE(std::prev(place)->first + kClasses[std::prev(place)->second].size, start);
    }
    if (std::next(place) != live_.end()) {
      ASSERT_LE(start + size, std::next(place)->first);
    }
    const SlotPlace where = place_of(slot, index);
    ASSERT_EQ(slab_start(slot, index) + where.slot * size, slot);
    ASSERT_FALSE(is_slot_free(where));
    memset(slot, static_cast<int>(start >> 4), size);
    bytes_ += size;
  }
}

SlabModel::Live::iterator SlabModel::at(size_t offset) {
  const auto place = live_.lower_bound(page::g_window.base + offset);
  return place != live_.end() ? place : live_.begin();
}

void SlabModel::check(uintptr_t start, unsigned index) {
  const char* const slot = reinterpret_cast<char*>(start);
  const uint32_t size = kClasses[index].size;
  ASSERT_EQ(slot[0], static_cast<char>(start >> 4)) << "of " << size;
  if (std::memcmp(slot, slot + 1, size - 1) == 0) return;
  for (uint32_t i = 1; i < size; ++i) {
    ASSERT_EQ(slot[i], slot[0]) << "byte " << i << " of " << size;
  }
}

void SlabModel::forget(Live::iterator place) {
  bytes_ -= kClasses[place->second].size;
  live_.erase(place);
}

void SlabModel::put(size_t offset) {
  const auto place = at(offset);
  const auto [start, index] = *place;
  check(start, index);
  slab::put(reinterpret_cast<char*>(start), index);
  forget(place);
}

void SlabModel::put_random(test::Choices& choices) {
  put(choices.below(pages_to_bytes(page::g_window_owner.opened())));
}

void SlabModel::put_word(size_t offset) {
  const auto [chosen, index] = *at(offset);
  const SlotPlace where = place_of(reinterpret_cast<char*>(chosen), index);
  const unsigned first = where.slot / 64 * 64;
  const uint32_t size = kClasses[index].size;
  const uintptr_t start = chosen - uintptr_t{where.slot - first} * size;
  uint64_t mask = 0;
  for (auto place = live_.lower_bound(start); place != live_.end() && place->first < start + 64 * size;) {
    const SlotPlace other = place_of(reinterpret_cast<char*>(place->first), place->second);
    if (other.unit != where.unit) break;
    check(place->first, index);
    mask |= bit(other.slot % 64);
    forget(place++);
  }
  put_slots(where.unit, index, first / 64, mask);
}

void SlabModel::compare() const {
  ASSERT_TRUE(check_invariants());
  size_t taken = 0;
  for (UnitIndex unit = 0; unit < page::g_window_owner.opened_chunks() * kUnitsPerChunk; ++unit) {
    SlabReading reading{};
    if (read_slab(unit, &reading)) taken += kClasses[reading.index].slots - reading.free_slots;
  }
  ASSERT_EQ(taken, live_.size());
}

void SlabModel::check_contents() const {
  for (const auto& [start, index] : live_)
    check(start, index);
}

}  // namespace ashlar::slab
