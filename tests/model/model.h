// Explores all interleavings of a few threads that run the code of the core, and all values that their loads
// may return. What scenarios use.
//
// The core and the scenario are compiled with -fsanitize=thread and linked without its run-time library:
// hooks.cc has what the compiler calls at each access. So what is explored is the code as it stands in src/.
// A body of a thread uses the core, plain variables and the functions below; no containers, no GoogleTest:
// whatever it writes is undone before the next execution, and its fibre may be dropped at any point.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "memory.h"

namespace ashlar::model {

struct Program {
  std::vector<void (*)()> threads;     // at most three; each begins with what was done before explore()
  void (*finish)() = nullptr;          // runs last, alone, and knows all that was done
  unsigned stale_loads = 2;            // loads of a thread that may return an old value
  size_t most_executions = 1'000'000;  // gives up beyond: then the result is not complete
  // A fault to be seeded: may change any atomic operation before it is made. To show that it would be found.
  void (*fault)(Atomic* operation) = nullptr;
};

struct Result {
  bool complete = false;  // every interleaving was explored and none failed
  size_t executions = 0;  // to their end
  size_t abandoned = 0;   // left when all that could follow was known
  size_t longest = 0;     // steps
  std::string failure;    // empty: none
  std::string steps;      // of the execution that failed
};

Result explore(const Program& program);

// A name for an atomic object or lock in such a list of steps.
void name_place(const volatile void* place, const std::string& name);

// In a thread's body: a broken property ends the exploration.
void fail(const char* what);
inline void require(bool condition, const char* what) {
  if (!condition) fail(what);
}

// Slots and pages that are somebody's: to be called when the body gets or gives one. Two owners at once fail.
void claim(const void* block);
void give_up(const void* block);

// For the model's versions of system calls and locks.
bool in_thread();
unsigned current_thread();
void lock(const void* lock);
bool try_lock(const void* lock);
void unlock(const void* lock);
bool holds(const void* lock);
void wait_for_change();                  // until what was read last has been written
void discard(void* start, size_t size);  // madvise
void barrier_of_all();                   // membarrier
bool futex_wait(uint32_t* word, uint32_t expected);
void futex_wake(uint32_t* word);
void note_message(const char* text, size_t length);  // written to stderr: the reason of an abort to come

}  // namespace ashlar::model
