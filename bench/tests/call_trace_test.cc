// support/call_trace.h: that what it counts in a call is what the call did. The whole program runs traced,
// its tests one after the other; each does known work with plain system calls, never malloc, inside a call.
// Touched pages are asked of the calls that touch memory and make no system call: the first system call of a
// kind may touch a page of libc.
#include "support/call_trace.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <thread>

namespace ashlar::bench {
namespace {

constexpr size_t kPage = 4096;

// Fresh pages, none resident; a fault fills one page and no more.
class Pages {
 public:
  explicit Pages(size_t count) : bytes_(count * kPage) {
    void* const memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || madvise(memory, bytes_, MADV_NOHUGEPAGE) != 0) abort();
    start_ = static_cast<char*>(memory);
  }
  ~Pages() { munmap(start_, bytes_); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  char* at(size_t page) const { return start_ + page * kPage; }
  size_t bytes() const { return bytes_; }
  void touch(size_t first, size_t end) const;

 private:
  char* start_;
  size_t bytes_;
};

// One function, so that its code is resident after the first call.
[[gnu::noinline]] void touch_pages(char* start, size_t count) {
  for (size_t page = 0; page < count; ++page)
    static_cast<volatile char*>(start)[page * kPage] = 1;
}

void Pages::touch(size_t first, size_t end) const { touch_pages(at(first), end - first); }

void expect_work(const CallWork& work, uint64_t system_calls, uint64_t returned) {
  EXPECT_EQ(work.system_calls, system_calls);
  EXPECT_EQ(work.pages_returned, returned);
}

TEST(CallTrace, NothingIsNothing) {
  CallMeter meter;
  syscall(SYS_getppid);
  expect_work(meter.measure([] {}), 0, 0);
  syscall(SYS_getppid);
  expect_work(meter.measure([] {}), 0, 0);
}

TEST(CallTrace, FirstTouchesAreCounted) {
  CallMeter meter;
  const Pages pages(16);
  pages.touch(0, 2);
  CallWork work{};
  for (const uint64_t fresh : {7, 0}) {
    work = meter.measure([&] { pages.touch(0, 9); });
    expect_work(work, 0, 0);
    EXPECT_EQ(work.pages_touched, fresh);
  }
}

TEST(CallTrace, EverySystemCallCounts) {
  CallMeter meter;
  const auto ask_five_times = [] {
    for (int i = 0; i < 5; ++i)
      syscall(SYS_getppid);
  };
  expect_work(meter.measure(ask_five_times), 5, 0);
}

TEST(CallTrace, PurgesCountWhatWasResident) {
  CallMeter meter;
  const Pages pages(32);
  pages.touch(0, 6);
  pages.touch(20, 24);
  expect_work(meter.measure([&] { madvise(pages.at(2), 20 * kPage, MADV_DONTNEED); }), 1, 6);
  expect_work(meter.measure([&] { madvise(pages.at(2), 20 * kPage, MADV_DONTNEED); }), 1, 0);
  expect_work(meter.measure([&] { madvise(pages.at(22), 2 * kPage, MADV_FREE); }), 1, 2);
}

TEST(CallTrace, OtherAdviceReturnsNothing) {
  CallMeter meter;
  const Pages pages(8);
  pages.touch(0, 8);
  expect_work(meter.measure([&] { madvise(pages.at(0), pages.bytes(), MADV_WILLNEED); }), 1, 0);
}

TEST(CallTrace, WhatFailsReturnsNothing) {
  CallMeter meter;
  const Pages pages(8);
  pages.touch(0, 8);
  int result = 0;
  const auto misaligned = [&] { result = madvise(pages.at(0) + 1, 4 * kPage, MADV_DONTNEED); };
  expect_work(meter.measure(misaligned), 1, 0);
  EXPECT_EQ(result, -1);
}

TEST(CallTrace, UnmappingReturnsPages) {
  CallMeter meter;
  const Pages pages(16);
  pages.touch(0, 10);
  expect_work(meter.measure([&] { munmap(pages.at(7), 9 * kPage); }), 1, 3);
  expect_work(meter.measure([&] { mremap(pages.at(0), 7 * kPage, 2 * kPage, 0); }), 1, 5);
  void* mapped = nullptr;
  const auto map_over = [&] {
    mapped = mmap(pages.at(0), 2 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  };
  expect_work(meter.measure(map_over), 1, 2);
  EXPECT_EQ(mapped, pages.at(0));
}

TEST(CallTrace, LoweringTheBreakReturnsPages) {
  CallMeter meter;
  char* const start = static_cast<char*>(sbrk(0)) + 3 * kPage;
  char* const base = start - reinterpret_cast<uintptr_t>(start) % kPage;
  ASSERT_EQ(brk(base + 8 * kPage), 0);
  madvise(base, 8 * kPage, MADV_NOHUGEPAGE);
  touch_pages(base, 6);
  expect_work(meter.measure([&] { brk(base + 2 * kPage); }), 1, 4);
  expect_work(meter.measure([&] { brk(base + 4 * kPage); }), 1, 0);
}

TEST(CallTrace, ThreadsAreToldApart) {
  std::atomic<bool> started{false};
  std::atomic<bool> done{false};
  CallWork others{};
  std::thread other([&] {
    CallMeter meter;
    const Pages pages(80);
    while (!started.load())
      continue;
    others = meter.measure([&] {
      pages.touch(0, 60);
      madvise(pages.at(0), pages.bytes(), MADV_DONTNEED);
      syscall(SYS_getppid);
    });
    done.store(true);
  });
  {
    CallMeter meter;
    const CallWork own = meter.measure([&] {
      started.store(true);
      while (!done.load())
        continue;
    });
    expect_work(own, 0, 0);
    EXPECT_LT(own.pages_touched, 8u);
  }
  other.join();
  expect_work(others, 2, 60);
  EXPECT_GE(others.pages_touched, 60u);
}

}  // namespace
}  // namespace ashlar::bench

int main(int argc, char** argv) {
  if (!ashlar::bench::traced()) return ashlar::bench::trace_self(argv);
  testing::InitGoogleTest(&argc, argv);
  ashlar::bench::start_counting();
  return RUN_ALL_TESTS();
}
