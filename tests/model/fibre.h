// Fibres that the explorer switches between: a stack each, and thread-local storage each.
//
// The code under test keeps its caches in thread-local storage. So each fibre runs with the thread pointer of
// a thread of its own, which was started once and sleeps for ever; a switch changes the stack pointer and
// the thread pointer, without the kernel. x86-64 only: what is explored are the orders of the
// C++ memory model, which are the same for all machines.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ashlar::model {

class Fibre {
 public:
  Fibre() = default;
  ~Fibre();
  Fibre(const Fibre&) = delete;
  Fibre& operator=(const Fibre&) = delete;

  // Makes the fibre begin at `body` when it is next resumed; whatever it did before is forgotten.
  void prepare(void (*body)());

  // From the explorer: runs the fibre until it suspends itself or body returns. True: it has suspended.
  bool resume();

  // From within the fibre: back to the explorer.
  void suspend();

  bool owns_stack(const void* p) const { return reinterpret_cast<uintptr_t>(p) - stack_ < kStackBytes; }

 private:
  static constexpr size_t kStackBytes = 256 * 1024;
  static void begin();
  void make();

  uintptr_t stack_ = 0;
  uintptr_t thread_pointer_ = 0;
  void* stack_pointer_ = nullptr;
  void (*body_)() = nullptr;
  bool finished_ = true;
};

}  // namespace ashlar::model
