// A word that one thread writes and others may read at any time, for statistics: each access is a relaxed
// atomic one, which says nothing about the order of others and costs what a plain access costs.
//
// ORDER: none. Whoever reads a word of another thread gets a value that was there, old or new, and may
// conclude nothing from it about any other word. A read-modify-write is a load and a store: for the one
// writer alone (the thread itself, or whoever has excluded the others).
#pragma once

namespace ashlar {

template <typename T>
class Relaxed {
 public:
  constexpr Relaxed() = default;
  Relaxed(const Relaxed&) = delete;
  Relaxed& operator=(const Relaxed&) = delete;

  operator T() const { return __atomic_load_n(&value_, __ATOMIC_RELAXED); }
  Relaxed& operator=(T value) {
    __atomic_store_n(&value_, value, __ATOMIC_RELAXED);
    return *this;
  }
  Relaxed& operator+=(T value) { return *this = static_cast<T>(*this + value); }
  Relaxed& operator-=(T value) { return *this = static_cast<T>(*this - value); }
  Relaxed& operator|=(T value) { return *this = static_cast<T>(*this | value); }
  Relaxed& operator&=(T value) { return *this = static_cast<T>(*this & value); }

 private:
  T value_{};
};

}  // namespace ashlar
