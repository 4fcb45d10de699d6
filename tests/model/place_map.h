// A map from addresses to records, emptied at the start of every execution: in constant time, and its records
// keep their memory. Not thread-safe; nothing here is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ashlar::model {

// Record: default constructible, with reset() for its next life.
template <typename Record>
class PlaceMap {
 public:
  PlaceMap() : slots_(kFirstSlots) {}

  void clear() {
    ++generation_;
    used_ = 0;
  }

  // The record of this address, made if there is none. Valid until the next call.
  Record& at(uintptr_t key) {
    if ((used_ + 1) * 2 > slots_.size()) grow();
    Slot& slot = find(key);
    if (slot.generation != generation_) slot = Slot{key, generation_, take_record()};
    return records_[slot.record];
  }

  Record* look_up(uintptr_t key) {
    Slot& slot = find(key);
    return slot.generation == generation_ ? &records_[slot.record] : nullptr;
  }

  // The records in use, in the order in which they came.
  size_t size() const { return used_; }
  Record& by_number(size_t number) { return records_[number]; }

 private:
  // NOLINTNEXTLINE(bugprone-dynamic-static-initializers): a constant of a template, which clang-tidy 14
  // misreads
  static constexpr size_t kFirstSlots = 1024;
  struct Slot {
    uintptr_t key;
    uint32_t generation;
    uint32_t record;
  };

  Slot& find(uintptr_t key) {
    size_t at = key * 0x9e3779b97f4a7c15u >> 20;
    for (;; ++at) {
      Slot& slot = slots_[at & (slots_.size() - 1)];
      if (slot.generation != generation_ || slot.key == key) return slot;
    }
  }
  uint32_t take_record() {
    if (used_ == records_.size()) records_.emplace_back();
    records_[used_].reset();
    return static_cast<uint32_t>(used_++);
  }
  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.generation == generation_) find(slot.key) = slot;
    }
  }

  std::vector<Slot> slots_;
  std::vector<Record> records_;
  size_t used_ = 0;
  uint32_t generation_ = 1;
};

}  // namespace ashlar::model
