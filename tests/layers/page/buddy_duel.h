// The buddy against the naive model: one chosen operation after the other, done by both and compared.
//
// What chooses may be random numbers (buddy_test.cc) or the bytes of a fuzzer's input (tests/fuzz).
#pragma once

#include "buddy_model.h"
#include "support/support.h"

namespace ashlar::page {

// Opens the window up to the last chunk that a test uses; none of its pages is free at first.
void open_window(ChunkIndex chunks);

class Duel {
 public:
  // The window is open up to the last of the chunks, and nothing in them is free.
  Duel(std::vector<ChunkIndex> chunks, test::Choices& choices)
      : model_(std::move(chunks)), choices_(choices) {}

  // One operation. Fatal failures say where the two differ.
  void step();
  // Walks both: free pages, dirty ones, blocks of each order, the buddy's own invariants.
  void compare_sums() const;

 private:
  void follow(PageIndex start, PageCount count, bool free);
  void allocate();
  void allocate_tight();
  void insert();
  void take();
  void ask_runs();
  void ask_find_run();
  void ask_highest_dirty();
  void mark(size_t first, size_t count, bool dirty);
  void set_dirty_bits();

  BuddyModel model_;
  test::Choices& choices_;
  Buddy buddy_;
};

}  // namespace ashlar::page
