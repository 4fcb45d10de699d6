#include "crew.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "clock.h"
#include "status.h"

namespace ashlar::soak {
namespace {

constexpr double kTick = 0.005;       // seconds
constexpr double kLostAtMost = 0.05;  // a thread that was late by more does not make up for it
constexpr double kApproach = 200000;  // operations a second, in all, towards the target
constexpr double kForks = 5;          // a second
constexpr double kAtLeast = 100;      // operations of a thread, however late it comes
constexpr double kFasterAtMost = 4;   // where phases are shorter than kFullSeconds
constexpr size_t kShortThreadOperations = 400;
constexpr size_t kStackBytes = 256 << 10;

void replace(BlockSet& set, const Work& work) {
  set.free_one();
  for (int i = 0; i < 2 && set.live_bytes() < work.target; ++i)
    set.allocate(*work.phase);
}

void operate(BlockSet& set, const Work& work) {
  const size_t draw = set.draw(1000);
  if (draw < 60) {
    set.check_one();
  } else if (draw < 60 + work.phase->resizes) {
    set.resize_one(*work.phase);
  } else if (work.allocates && work.frees) {
    replace(set, work);
  } else if (work.allocates) {
    if (set.live_bytes() < work.target + work.target / 16) set.allocate(*work.phase);
  } else if (set.live_bytes() > work.target - work.target / 16) {
    set.free_one();
  }
}

}  // namespace

void work_on(BlockSet& set, const Work& work) {
  size_t approach = work.approach;
  const size_t slack = work.target / 16;
  for (; work.frees && approach > 0 && set.take_marked(); --approach)
    set.free_one();
  for (; work.frees && approach > 0 && set.live_bytes() > work.target + slack; --approach)
    set.free_one();
  for (; work.allocates && approach > 0 && set.live_bytes() + slack < work.target; --approach)
    set.allocate(*work.phase);
  for (size_t i = 0; i < work.operations; ++i)
    operate(set, work);
}

Crew::Crew(BlockSet* sets, double seconds)
    : sets_(sets),
      seconds_(seconds),
      speed_(std::clamp(kFullSeconds / seconds, 1.0, kFasterAtMost)),
      forker_(sets) {}

pthread_t Crew::start_thread(void* (*run)(void*), void* argument) {
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  const int error = pthread_create(&thread, &attributes, run, argument);
  pthread_attr_destroy(&attributes);
  if (error != 0) {
    fprintf(stderr, "soak: pthread_create: error %d\n", error);
    _exit(kThreadStatus);
  }
  threads_started_.fetch_add(1, std::memory_order_relaxed);
  return thread;
}

void Crew::start(const Phase& phase) {
  phase_ = &phase;
  began_ = now();
  running_.store(true);
  for (size_t i = 0; i < kSets; ++i)
    sets_[i].mark_for_clearing(sets_[i].size() * phase.cleared / 1000);
  const unsigned members = phase.way == Way::kShortThreads ? 1 : phase.threads;
  for (members_ = 0; members_ < members; ++members_) {
    member_[members_] = {this, members_};
    threads_[members_] = start_thread(run_member, &member_[members_]);
  }
  if (phase.way == Way::kForks) threads_[members_++] = start_thread(run_forker, this);
}

void Crew::stop() {
  running_.store(false);
  for (unsigned i = 0; i < members_; ++i)
    pthread_join(threads_[i], nullptr);
}

void* Crew::run_member(void* member) {
  const auto* const self = static_cast<Member*>(member);
  if (self->crew->phase_->way == Way::kShortThreads) {
    self->crew->start_short_threads();
  } else {
    self->crew->serve(self->number);
  }
  return nullptr;
}

void* Crew::run_forker(void* crew) {
  static_cast<Crew*>(crew)->fork_children();
  return nullptr;
}

// False at the end of the phase. `per_second` operations are for this thread.
bool Crew::wait_tick(Pace& pace, double per_second, double others_per_second) {
  sleep_until(now() + kTick);
  const double time = now();
  const double passed = std::min(time - pace.last, kLostAtMost) * speed_;
  pace.last = time;
  pace.operations += per_second * passed;
  pace.approach += kApproach / phase_->threads * passed;
  pace.others += others_per_second * passed;
  return running_.load(std::memory_order_relaxed);
}

Work Crew::work_now(Pace& pace, unsigned number) const {
  const double share = std::min((now() - began_) / seconds_, 1.0);
  const auto operations = static_cast<size_t>(pace.operations);
  const auto approach = static_cast<size_t>(pace.approach);
  const bool one_way = phase_->way == Way::kHandOver;
  // Idle: for half of the phase nothing is called.
  const bool silent = phase_->way == Way::kIdle && share < 0.5;
  pace.operations -= static_cast<double>(operations);
  pace.approach = 0;
  return {phase_,   live_target(*phase_, share) / kSets, silent ? 0 : operations,
          approach, !one_way || number % 2 == 0,         !one_way || number % 2 == 1};
}

// One set a tick, and each thread sets of its own as far as the numbers allow; in a hand-over each serves
// all. A set that somebody else has is passed over. One turn at least, so that on a loaded machine short
// phases are none without any work.
void Crew::serve(unsigned number) {
  Pace pace = {now(), kAtLeast, kAtLeast, 0};
  const unsigned step = phase_->way == Way::kHandOver ? 1 : phase_->threads;
  unsigned turn = number;
  do {
    BlockSet& set = sets_[turn % kSets];
    turn += step;
    if (pthread_mutex_trylock(set.mutex()) != 0) continue;
    work_on(set, work_now(pace, number));
    pthread_mutex_unlock(set.mutex());
  } while (wait_tick(pace, phase_->operations / phase_->threads, 0));
}

namespace {

struct ShortWork {
  BlockSet* set;
  Work work;
};

}  // namespace

void* Crew::run_short_thread(void* work) {
  const auto* const self = static_cast<ShortWork*>(work);
  pthread_mutex_lock(self->set->mutex());
  work_on(*self->set, self->work);
  pthread_mutex_unlock(self->set->mutex());
  return nullptr;
}

// Threads in a ring: before a place is taken again, the thread that had it has ended.
void Crew::start_short_threads() {
  pthread_t threads[kThreadsMost];
  ShortWork works[kThreadsMost];
  size_t started = 0;
  Pace pace = {now(), 0, 0, 0};
  while (wait_tick(pace, 0, phase_->operations / kShortThreadOperations)) {
    const size_t due = static_cast<size_t>(pace.others);
    for (; pace.others >= 1; --pace.others, ++started) {
      const size_t place = started % kThreadsMost;
      if (started >= kThreadsMost) pthread_join(threads[place], nullptr);
      Pace own = {0, kShortThreadOperations,
                  kApproach / kThreadsMost * kTick * speed_ / static_cast<double>(due), 0};
      works[place] = {&sets_[started % kSets], work_now(own, 0)};
      threads[place] = start_thread(run_short_thread, &works[place]);
    }
  }
  for (size_t i = started - std::min<size_t>(started, kThreadsMost); i < started; ++i)
    pthread_join(threads[i % kThreadsMost], nullptr);
}

// Once at least, however late the thread comes.
void Crew::fork_children() {
  Pace pace = {now(), 0, 0, 1};
  do {
    for (; pace.others >= 1; --pace.others)
      forker_.fork_child(*phase_);
  } while (wait_tick(pace, 0, kForks));
}

}  // namespace ashlar::soak
