// A little of everything that a program asks of the heap, always the same, with its contents checked: for the
// tests whose system refuses, or is another one.
#pragma once

#include <cstddef>
#include <vector>

namespace ashlar::heap {

struct Block {
  unsigned char* start;
  size_t size;
  unsigned char value;
};

bool intact(const Block& block);

// Few megabytes, and everything at its limits soon: a window of 64 MiB, direct mappings from 1 MiB, a budget
// of 64 KiB, no regret. Before the heap starts.
void configure_small();

class Workload {
 public:
  // An allocation may fail, if a call has failed.
  void run();

  // Checks what is live, frees it, and checks that the books balance.
  void finish();

  size_t refused() const { return refused_; }

 private:
  void add(void* p, size_t size, bool zeroed);
  void resize(size_t place, size_t size);
  void drop(size_t place);

  std::vector<Block> blocks_;
  size_t refused_ = 0;
};

}  // namespace ashlar::heap
