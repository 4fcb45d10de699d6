// Memory as the C++20 memory model has it, for the threads of one execution.
//
// Atomic objects keep all values that were stored in them: a load may return any that neither coherence nor
// happens-before rules out, also on a processor that would never do it. Every other access is checked for
// data races by vector clocks. Whatever is written is noted, so that the next execution starts from the same
// state.
//
// What it has: release sequences, fences, the total order of sequentially consistent operations as the order
// of execution, failing compare-and-swaps that read old values. What it lacks: a load never returns a value
// that is stored later (load buffering), and the modification order of an object is the order of execution.
// Sources of the ideas: the store histories of Relacy (D. Vyukov) and of CDSChecker (B. Norris, B. Demsky,
// OOPSLA 2013); intercepting what -fsanitize=thread inserts, of tsan11 (C. Lidbury, A. Donaldson, POPL 2017).
#pragma once

#include <cstddef>
#include <vector>

#include "place_map.h"
#include "search.h"

namespace ashlar::model {

enum class Kind : uint8_t { kLoad, kStore, kExchange, kAdd, kSub, kAnd, kOr, kXor, kCompare };

// One atomic operation, before it is made. A fault may change it: order, operand.
struct Atomic {
  Kind kind;
  uint8_t size;  // bytes
  uintptr_t place;
  uint64_t operand;   // stored, added, ...
  uint64_t expected;  // kCompare
  int order;          // __ATOMIC_RELAXED, ...
  int failure_order;  // kCompare
};

// What became of it.
struct Outcome {
  uint64_t before;  // the value that was read
  bool wrote;
  unsigned age;  // how many newer values there were
};

class Memory {
 public:
  // At the start of an execution: no histories, nothing known, everything before it known to all.
  void begin(unsigned threads, unsigned stale_loads);

  // What a thread may do with memory. A reason in `problem()` if it raced.
  void plain_read(unsigned thread, uintptr_t address, size_t size);
  void plain_write(unsigned thread, uintptr_t address, size_t size);
  // The pages lose their content; for an access anywhere in them, a plain write.
  void discard(unsigned thread, uintptr_t address, size_t size);
  Outcome atomic(unsigned thread, const Atomic& operation, Search& search);
  void fence(unsigned thread, int order);
  // membarrier: as if every thread executed a sequentially consistent fence where it stands.
  void barrier_of_all();

  // Waiting for a write to an atomic object that is newer than what the thread read last from anywhere.
  struct Wait {
    uintptr_t place;
    size_t seen;
    bool by_compare;  // by a compare-and-swap that failed
  };
  Wait last_read(unsigned thread) const { return last_read_[thread]; }
  bool has_newer(const Wait& wait);
  size_t step_of_next(const Wait& wait);  // the step that wrote it
  void end_wait(unsigned thread, const Wait& wait);

  // When no other thread runs any more: nothing to check, but to note what was there.
  void write_alone(uintptr_t address, size_t size);
  Outcome atomic_alone(const Atomic& operation);

  // Locks of the model, and other edges of happens-before.
  void acquire(unsigned thread, const Clock& from);
  void release(unsigned thread, Clock* to);
  void join_all(unsigned thread);  // knows what every thread did

  const char* problem() const { return problem_[0] == 0 ? nullptr : problem_; }

  // Everything that was written gets its former content back.
  void undo();

 private:
  struct Store {
    uint64_t value;
    Clock release;  // known to whoever reads it with acquire
    bool sequential;
    uint32_t time;
    size_t step;
  };
  struct Seen {
    uint32_t epoch;  // of the thread that read or wrote it
    size_t store;
  };
  struct Location {
    std::vector<Store> stores;
    std::vector<Seen> seen[kMaxThreads];
    uint8_t size;
    bool reload;
    void reset();
  };
  struct Mark {
    uint32_t epoch;
    uint8_t bytes;  // of the granule, one bit each
  };
  struct Granule {  // of 8 bytes
    Mark read[kMaxThreads], write[kMaxThreads];
    Mark atomic_read[kMaxThreads], atomic_write[kMaxThreads];
    uintptr_t start;
    bool saved, holds_atomics;
    void reset() { *this = Granule{}; }
  };
  struct Discarded {
    uintptr_t start, end;
    unsigned thread;
    uint32_t epoch;
  };
  static constexpr size_t kNoPages = SIZE_MAX;
  struct Saved {
    uintptr_t address;
    uint64_t content;  // of a granule,
    size_t page;       // or else which of saved_pages_
  };

  Granule& granule(uintptr_t address);
  void save(Granule& granule);
  void restore(const Saved& saved) const;
  void note(Mark& mark, unsigned thread, uint8_t bytes);
  bool races(const Mark (&marks)[kMaxThreads], unsigned thread, uint8_t bytes) const;
  void report(const char* what, unsigned thread, uintptr_t address);
  void check_discarded(unsigned thread, uintptr_t address, size_t size);
  void check_atomic(unsigned thread, uintptr_t address, unsigned size, bool writes);
  Location& location(uintptr_t place, unsigned size);
  size_t oldest_visible(unsigned thread, const Location& location, bool sequential) const;
  void read(unsigned thread, Location& location, uintptr_t place, size_t store, int order);
  void write(unsigned thread, Location& location, const Atomic& operation, uint64_t value, int order,
             const Clock* continued, size_t step);
  void tick(unsigned thread);

  unsigned threads_ = 0;
  unsigned stale_loads_ = 0;
  Clock known_[kMaxThreads];    // happens before what the thread does next
  Clock visible_[kMaxThreads];  // and what besides it can no longer overlook (fences)
  Clock on_acquire_fence_[kMaxThreads];
  Clock by_release_fence_[kMaxThreads];
  uint32_t fence_time_[kMaxThreads];
  unsigned stale_used_[kMaxThreads];
  Wait last_read_[kMaxThreads];
  Clock fenced_;  // by all sequentially consistent fences so far
  uint32_t time_ = 0;
  PlaceMap<Location> locations_;
  PlaceMap<Granule> granules_;
  std::vector<Discarded> discarded_;
  std::vector<Saved> saved_;
  std::vector<std::vector<unsigned char>> saved_pages_;
  char problem_[160] = {};
};

}  // namespace ashlar::model
