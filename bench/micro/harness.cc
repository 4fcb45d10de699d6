// Registration, modes of threads, memory counters: see harness.h.
#include "micro/harness.h"

#include <pthread.h>
#include <unistd.h>

#include <barrier>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "support/memory.h"

namespace ashlar::bench {

namespace {

constexpr int kBusyThreads = 2;

ThreadMode thread_mode = ThreadMode::kPlain;

void* sleep_for_ever(void*) {
  for (;;)
    pause();
}

void start_idle_thread() {
  pthread_t thread;
  if (pthread_create(&thread, nullptr, sleep_for_ever, nullptr) != 0) {
    fputs("ashlar_micro: cannot start the idle thread\n", stderr);
    exit(1);
  }
  pthread_detach(thread);
}

}  // namespace

bool set_thread_mode(std::string_view name) {
  if (name == "plain") {
    thread_mode = ThreadMode::kPlain;
  } else if (name == "idle") {
    thread_mode = ThreadMode::kIdle;
    start_idle_thread();
  } else if (name == "busy2") {
    thread_mode = ThreadMode::kBusy2;
  } else {
    return false;
  }
  return true;
}

benchmark::internal::Benchmark* add(const std::string& name, std::function<void(benchmark::State&)> body) {
  auto* const added = benchmark::RegisterBenchmark(name.c_str(), std::move(body))->UseRealTime();
  return thread_mode == ThreadMode::kBusy2 ? added->Threads(kBusyThreads) : added;
}

void meet_partner(const benchmark::State& state) {
  static std::barrier<> barrier(kBusyThreads);
  if (state.threads() == kBusyThreads) barrier.arrive_and_wait();
}

PeakRss::PeakRss(benchmark::State& state) : state_(state) {
  if (state_.thread_index() != 0) return;
  if (!reset_peak()) state_.SkipWithError("cannot reset the peak of RSS: /proc/self/clear_refs");
  start_kib_ = resident_kib();
}

void PeakRss::report() {
  if (state_.thread_index() != 0) return;
  const size_t peak = peak_kib();
  state_.counters["peak_rss_mib"] = to_mib(peak);
  state_.counters["growth_mib"] = to_mib(peak > start_kib_ ? peak - start_kib_ : 0);
}

}  // namespace ashlar::bench
