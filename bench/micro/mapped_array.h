// An array straight from mmap, all pages touched when it is made: what a benchmark needs for itself
// must neither come from the allocator that it measures nor fault while it measures. Not growable;
// one owner.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <type_traits>

namespace ashlar::bench {

template <class T>
class MappedArray {
  static_assert(std::is_trivially_copyable_v<T>, "the memory is neither constructed nor destroyed");

 public:
  explicit MappedArray(size_t size) : size_(size) {
    void* const memory =
        mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) {
      perror("ashlar_micro: mmap of a benchmark's own array");
      exit(1);
    }
    data_ = static_cast<T*>(memory);
  }
  ~MappedArray() { munmap(data_, bytes()); }
  MappedArray(const MappedArray&) = delete;
  MappedArray& operator=(const MappedArray&) = delete;

  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  size_t size() const { return size_; }

 private:
  size_t bytes() const { return (size_ > 0 ? size_ : 1) * sizeof(T); }

  T* data_ = nullptr;
  size_t size_;
};

}  // namespace ashlar::bench
