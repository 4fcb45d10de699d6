// What all micro-benchmarks share: how they are registered, the mode of threads in which this
// process runs them, and the counters of memory that each reports. They call plain malloc and free;
// which allocator serves them is decided by LD_PRELOAD.
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace ashlar::bench {

enum class ThreadMode {
  kPlain,  // the process has one thread, unless the benchmark starts some
  kIdle,   // a second thread sleeps for ever: glibc's single-thread flag never comes back
  kBusy2,  // two threads run the same loop, each with its own data
};

// Sets the mode for all benchmarks added later; starts the idle thread. False: no such mode.
bool set_thread_mode(std::string_view name);

// Registers `name`, timed by the wall clock, in the mode that was set.
benchmark::internal::Benchmark* add(const std::string& name, std::function<void(benchmark::State&)> body);

// In mode kBusy2, waits for the other thread: before and after a reading of process-wide memory.
void meet_partner(const benchmark::State& state);

// Reports memory of the whole process as counters, from thread 0 alone: `peak_rss_mib` since this
// object was made, and `growth_mib`, that peak less what was resident when it was made. Make it
// after the benchmark's own arrays and before its first allocation.
class PeakRss {
 public:
  explicit PeakRss(benchmark::State& state);
  void report();
  size_t start_kib() const { return start_kib_; }

 private:
  benchmark::State& state_;
  size_t start_kib_ = 0;
};

// The compiler may no longer assume anything about the block or what happened to it.
inline void* escape(void* block) {
  asm volatile("" : "+r"(block) : : "memory");
  return block;
}

// A program allocates to write: each block's first word is written, as its owner would.
inline void* write_first_word(void* block, size_t value) {
  *static_cast<volatile size_t*>(block) = value;
  return block;
}

inline double to_mib(size_t kib) { return static_cast<double>(kib) / 1024.0; }

// One a theme, each in its own file.
void add_pairs();
void add_batches();
void add_resizing();
void add_large();
void add_threads();
void add_replacement();
void add_phases();

}  // namespace ashlar::bench
