// One execution after another: fibres, memory and search put together. See model.h; hooks.cc calls this.
#pragma once

#include "fibre.h"
#include "model.h"

namespace ashlar::model {

class Explorer {
 public:
  Result run(const Program& program);

  // Of the running fibre.
  bool active() const { return running_ && !inside_; }
  unsigned current() const { return static_cast<unsigned>(current_); }
  void plain(const void* address, size_t size, bool writes);
  Outcome atomic(Atomic operation);
  void fence(int order);
  void fail(const char* what);

  void claim(const void* block);
  void give_up(const void* block);
  void lock(uintptr_t place);
  bool try_lock(uintptr_t place);
  void unlock(uintptr_t place);
  bool holds(uintptr_t place) const;
  void wait_for_change();
  void discard(void* start, size_t size);
  void barrier_of_all();
  bool futex_wait(uintptr_t word, uint32_t expected);
  void futex_wake(uintptr_t word);
  void note_message(const char* text, size_t length);

 private:
  static constexpr int kNobody = -1;
  enum class Until : uint8_t { kNothing, kUnlocked, kNewer, kWoken };
  struct Thread {
    Fibre fibre;
    Operation next;
    Until until = Until::kNothing;
    Memory::Wait wait{};
    bool running = false;   // has not finished
    bool sleeping = false;  // in futex_wait
    uintptr_t futex = 0;
    size_t woken_by = 0;
  };
  struct LockState {
    uintptr_t place;
    int holder;
    unsigned depth;
    Clock released;
  };
  struct Event {
    unsigned thread;
    const char* what;
    uintptr_t place;
    int order;
    uint64_t before, after;
    unsigned age;
  };
  class Inside;

  bool run_once(const Program& program);
  void start(unsigned thread, void (*body)());
  void resume(unsigned thread);
  bool can_go_on(const Thread& thread);
  void announce(Access access, uintptr_t place, Until until);
  void made(Access access, uintptr_t place, size_t cause = 0);
  void stop_if_problem();
  LockState& lock_state(uintptr_t place);
  std::string list_of_steps() const;

  Search search_;
  Memory memory_;
  Thread threads_[kMaxThreads];
  unsigned count_ = 0;
  int current_ = kNobody;
  bool running_ = false;  // current_ is; zero before the constructor too, whose memset comes back to us
  bool inside_ = false;   // in the explorer itself, called by a fibre
  bool alone_ = false;    // finish() is running: no choices any more
  void (*fault_)(Atomic*) = nullptr;
  std::vector<LockState> locks_;
  std::vector<uintptr_t> owned_;
  std::vector<Event> events_;
  std::string failure_, message_;
};

extern Explorer g_explorer;

}  // namespace ashlar::model
