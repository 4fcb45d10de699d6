// The slots that are out, in a set: no slot twice, none over another, and what is written in them stays.
#pragma once

#include <map>

#include "slab_support.h"

namespace ashlar::slab {

// Fatal failures say what was wrong. One thread.
class SlabModel {
 public:
  // Takes up to `want` slots of a class and writes in them.
  void take(unsigned index, unsigned want);

  // Puts back the first slot at or behind `offset` bytes from the window's start, or the lowest.
  // PRECONDITION: size() > 0.
  void put(size_t offset);
  void put_random(test::Choices& choices);
  // The same slot, and with it at once all that are out of the 64 that share its word of free bits.
  void put_word(size_t offset);

  // Free and live slots of all slabs, by their words.
  void compare() const;
  // The content of every slot that is out.
  void check_contents() const;

  size_t size() const { return live_.size(); }
  size_t bytes() const { return bytes_; }

 private:
  using Live = std::map<uintptr_t, unsigned>;  // start -> class

  Live::iterator at(size_t offset);
  static void check(uintptr_t start, unsigned index);
  void forget(Live::iterator place);

  Live live_;
  size_t bytes_ = 0;
};

}  // namespace ashlar::slab
