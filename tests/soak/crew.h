// The threads of a phase: started with it, joined at its end, paced by the clock so that the soak leaves the
// machine to others. A thread serves one set at a time, under its mutex, a few operations every 5 ms.
//
// Allocates nothing itself, besides what pthread_create does. One crew; started and stopped by the main
// thread.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>

#include "blocks.h"
#include "forks.h"
#include "phases.h"

namespace ashlar::soak {

constexpr unsigned kThreadsMost = 8;

// What a thread does with a set before it lets go of it.
struct Work {
  const Phase* phase;
  size_t target;      // live bytes of this set
  size_t operations;  // at the pace of the phase
  size_t approach;    // further operations at most, to bring live bytes to the target
  bool allocates;
  bool frees;
};
void work_on(BlockSet& set, const Work& work);

class Crew {
 public:
  // `seconds`: how long a phase takes; one shorter than kFullSeconds is run faster, up to 4 times.
  Crew(BlockSet* sets, double seconds);

  void start(const Phase& phase);
  void stop();

  size_t forks() const { return forker_.forks(); }
  size_t failed_children() const { return forker_.failed_children(); }
  size_t threads_started() const { return threads_started_.load(std::memory_order_relaxed); }

 private:
  struct Member {
    Crew* crew;
    unsigned number;
  };
  // What a thread may do in the time that has passed: fractions add up.
  struct Pace {
    double last;  // seconds
    double operations;
    double approach;
    double others;  // short threads, or forks
  };

  static void* run_member(void* member);
  static void* run_short_thread(void* work);
  static void* run_forker(void* crew);
  void serve(unsigned number);
  void start_short_threads();
  void fork_children();

  bool wait_tick(Pace& pace, double per_second, double others_per_second);
  Work work_now(Pace& pace, unsigned number) const;
  pthread_t start_thread(void* (*run)(void*), void* argument);

  BlockSet* const sets_;
  const double seconds_;
  const double speed_;
  Forker forker_;
  const Phase* phase_ = nullptr;
  double began_ = 0;
  std::atomic<bool> running_{false};
  std::atomic<size_t> threads_started_{0};
  unsigned members_ = 0;
  pthread_t threads_[kThreadsMost + 1];
  Member member_[kThreadsMost];
};

}  // namespace ashlar::soak
