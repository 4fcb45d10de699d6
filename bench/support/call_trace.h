// What single calls ask of the kernel, counted from outside the process: system calls, page faults, and
// resident pages given back. A program runs itself once more under a tracer of its own:
//
//   if (!traced()) return trace_self(argv);     // first thing in main
//   ... set up ...
//   start_counting();
//   CallMeter meter;                            // one a thread
//   const CallWork work = meter.measure([&] { free(block); });
//
// The tracer (ptrace, stopped by a seccomp filter at each system call but getrusage) adds to a counter in
// shared memory whenever the thread that makes the system call is inside measure(); so nothing marks
// a call but a store, and the traced process reads its own counts. Faults are the kernel's count for the
// thread. Knows no allocator. Linux 5.3 or later, and the right to trace one's own child.
#pragma once

#include <atomic>
#include <cstdint>

namespace ashlar::bench {

struct CallWork {
  uint64_t system_calls;
  uint64_t pages_touched;   // page faults, minor and major
  uint64_t pages_returned;  // were resident when munmap, madvise and their like gave them back
};

// One thread's counters, shared with the tracer. A thread's own; the tracer adds to them while it is stopped.
struct CallSlot {
  std::atomic<int32_t> thread;  // its id, 0 while the slot is free
  std::atomic<uint32_t> in_call;
  std::atomic<uint64_t> system_calls;
  std::atomic<uint64_t> pages_returned;
};

// Whether this process runs under trace_self.
bool traced();

// Exit status of a program that may not trace its child; ctest takes it for a skipped test.
inline constexpr int kMayNotTrace = 77;

// Runs this program again with the same arguments, traced, and returns its exit status; kMayNotTrace or 1,
// with a message, when it can't be traced, 1 when a signal killed it.
int trace_self(char** argv);

// From here on the tracer sees the system calls of all threads. Once, in a traced process; ends it with a
// message when the kernel refuses the filter.
void start_counting();

class CallMeter {
 public:
  CallMeter();  // ends the process when more than 64 are alive at once
  ~CallMeter();
  CallMeter(const CallMeter&) = delete;
  CallMeter& operator=(const CallMeter&) = delete;

  // What `call` did, in this thread.
  template <class Call>
  CallWork measure(Call&& call) {
    const uint64_t faults_before = begin();
    call();
    return end(faults_before);
  }

 private:
  uint64_t begin();
  CallWork end(uint64_t faults_before);

  CallSlot* slot_;
};

}  // namespace ashlar::bench
