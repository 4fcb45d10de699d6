// Which schedules are explored: depth first over all of them, but for those that differ from an explored one
// only in the order of independent steps.
//
// The algorithm is source-DPOR with sleep sets: P. Abdulla, S. Aronis, B. Jonsson, K. Sagonas, Optimal
// Dynamic Partial Order Reduction, POPL 2014; the idea of adding alternatives where steps of an execution
// race is C. Flanagan's and P. Godefroid's (POPL 2005). A step may besides have several outcomes (a load may
// return more than one value): all of them are explored wherever the step is.
//
// Knows nothing of memory or fibres: it is told which threads can go on and what each would do next.
#pragma once

#include <cstddef>
#include <vector>

#include "clock.h"

namespace ashlar::model {

enum class Access : uint8_t {
  kRead,
  kWrite,  // also what reads and writes
  kLock,   // waits until the lock is free
  kUnlock,
  kWait,        // waits for a write that another thread makes, and reads or changes nothing
  kEverything,  // a fence: its order with every other step matters
};

struct Operation {
  Access access = Access::kRead;
  uintptr_t place = 0;
};

// True if the order of the two steps, of two threads, may matter.
bool conflict(const Operation& a, const Operation& b);

class Search {
 public:
  static constexpr int kNobody = -1;

  // Before each execution.
  void begin();

  // The thread that takes the next step. `enabled`: those that can; pending[t]: what t would do. kNobody:
  // what could follow from here has been explored from elsewhere.
  int pick(ThreadMask enabled, const Operation* pending);

  // Which of the step's outcomes, 0 to outcomes - 1, it is to have. At most one call a step.
  unsigned choose(unsigned outcomes);

  // The step picked last has been made. `cause`: the step that it waited for (kWait), else unused.
  void made(const Operation& operation, size_t cause);

  // Moves on to the next execution; false: all have been explored.
  bool next();

  // Number of the step that is being made.
  size_t step() const { return depth_ - 1; }
  size_t steps() const { return depth_; }

 private:
  struct Node {
    unsigned thread;
    unsigned outcome, outcomes;
    Operation operation;
    Clock before, clock;  // steps of each thread that must precede this one: those that precede it anyway by
                          // program order, and all
    uint32_t ordinal;     // of the thread's steps, from 1
    ThreadMask enabled, backtrack, done, sleep;
  };
  struct Place {
    uintptr_t address;
    std::vector<size_t> writes, reads;  // reads: since the last write
    std::vector<size_t> locks;
    size_t unlock;
  };
  static constexpr size_t kNone = SIZE_MAX;

  Place& place_of(uintptr_t address);
  bool precedes(size_t earlier, size_t later) const;
  void order(size_t earlier, size_t step);
  void add_alternative(size_t earlier, size_t later);
  ThreadMask initials(size_t earlier, size_t later) const;

  std::vector<Node> nodes_;
  std::vector<Place> places_;
  size_t used_places_ = 0;
  size_t depth_ = 0;
  size_t fresh_ = 0;  // nodes from here on are new in this execution
  size_t last_everything_ = kNone;
  size_t last_step_[kMaxThreads] = {};
  uint32_t steps_of_[kMaxThreads] = {};
};

}  // namespace ashlar::model
