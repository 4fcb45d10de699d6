// A set of live blocks and what is done to them: allocate, free, resize, check. The soak has kSets of them;
// threads come and go and serve now this one, now that one, so that blocks are freed by others than allocated
// them and outlive their threads.
//
// The records lie in mappings of their own, resident from the start: they cancel out of every difference of
// RSS, and the live bytes are what the program asked for, exactly.
//
// LOCKS: a set is changed under its mutex. The counts may be read by anybody at any time.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "phases.h"

namespace ashlar::soak {

constexpr size_t kSets = 8;
constexpr size_t kCapacity = 1 << 17;  // blocks a set

struct Block {
  char* start;
  uint32_t bytes;
  uint32_t seed;
};
static_assert(sizeof(Block) == 16);

// Written under the set's mutex, read by the recorder.
struct Counts {
  std::atomic<size_t> live_bytes;
  std::atomic<size_t> live_blocks;
  std::atomic<size_t> allocations;
  std::atomic<size_t> allocated_bytes;  // asked for, in all
  std::atomic<size_t> frees;
  std::atomic<size_t> resizes;
  std::atomic<size_t> checks;  // blocks whose contents were compared
};

class BlockSet {
 public:
  pthread_mutex_t* mutex() { return &mutex_; }
  void set_up(uint32_t number);

  const Counts& counts() const { return counts_; }
  size_t live_bytes() const { return counts_.live_bytes.load(std::memory_order_relaxed); }
  size_t size() const { return size_; }
  bool full() const { return size_ == kCapacity; }

  // So many are to be freed at the start of a phase, whatever the target.
  void mark_for_clearing(size_t blocks) { to_clear_ = blocks; }
  bool take_marked() { return to_clear_ > 0 && to_clear_-- > 0; }

  size_t draw(size_t bound) { return random_.below(bound); }
  void allocate(const Phase& phase);
  // These three do nothing with an empty set.
  void free_one();
  void resize_one(const Phase& phase);
  void check_one();

 private:
  char* obtain(size_t bytes);
  void check(const Block& block, size_t kept, const char* when) const;
  Block& any() { return blocks_[random_.below(size_)]; }

  pthread_mutex_t mutex_;
  bench::Random random_{1};
  Block* blocks_;
  size_t size_;
  size_t to_clear_;
  uint32_t next_seed_;
  Counts counts_;
};

// The sets, in resident pages. Before any thread.
BlockSet* make_sets();

}  // namespace ashlar::soak
