// Children of a process whose threads allocate. The parent holds the mutexes of half of its sets at the fork,
// so the child knows that these are whole, while threads go on with the others: checks what it inherits,
// frees part of it, allocates, starts threads, some fork again or let ashlar_verify look at the heap.
//
// Called by one thread of the parent, which waits for each child.
#pragma once

#include <atomic>
#include <cstddef>

#include "blocks.h"
#include "phases.h"

namespace ashlar::soak {

class Forker {
 public:
  explicit Forker(BlockSet* sets) : sets_(sets) {}

  // Forks and waits; a child that fails or hangs (killed by its own alarm) is named on stderr and counted.
  void fork_child(const Phase& phase);

  size_t forks() const { return forks_.load(std::memory_order_relaxed); }
  size_t failed_children() const { return failed_.load(std::memory_order_relaxed); }

 private:
  BlockSet* const sets_;
  std::atomic<size_t> forks_{0};
  std::atomic<size_t> failed_{0};
};

// 0, or the number of faults that ashlar_verify finds, each named on stderr; 0 under another allocator.
size_t verify_heap();

}  // namespace ashlar::soak
