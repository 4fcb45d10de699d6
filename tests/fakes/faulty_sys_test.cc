// The fake itself: it fails what it is told to fail, and nothing else.
#include "fakes/faulty_sys.h"

#include <sys/mman.h>

#include "os/sys.h"
#include "os/system.h"
#include "support/support.h"

namespace ashlar::fakes {
namespace {

namespace sys = os::sys;

const size_t kPage = os::page_size();

intptr_t map(size_t bytes) { return sys::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, 0); }

TEST(FaultySys, OnlyTheNthFails) {
  reset();
  fail_nth(3);
  for (int call = 1; call <= 6; ++call)
    EXPECT_EQ(sys::failed(map(kPage)), call == 3) << call;
  EXPECT_TRUE(nth_was_reached());
  EXPECT_EQ(calls(Call::kMmap), 6u);
  EXPECT_EQ(failures(Call::kMmap), 1u);
  fail_nth(100);
  EXPECT_FALSE(sys::failed(map(kPage)));
  EXPECT_FALSE(nth_was_reached());
}

TEST(FaultySys, KindsFailUntilToldOtherwise) {
  reset();
  char* const p = reinterpret_cast<char*>(map(kPage));
  p[0] = 1;
  fail_always(Call::kMadvise, true);
  EXPECT_TRUE(sys::failed(sys::madvise(p, kPage, MADV_DONTNEED)));
  EXPECT_EQ(p[0], 1);  // it did nothing
  EXPECT_FALSE(sys::failed(sys::mprotect(p, kPage, PROT_READ)));
  fail_always(Call::kMadvise, false);
  EXPECT_FALSE(sys::failed(sys::madvise(p, kPage, MADV_DONTNEED)));
  EXPECT_EQ(p[0], 0);
}

TEST(FaultySys, Limits) {
  reset();
  fail_mmap_from(4 * kPage);
  EXPECT_FALSE(sys::failed(map(3 * kPage)));
  EXPECT_TRUE(sys::failed(map(4 * kPage)));
  fail_mmap_from(0);
  char* const p = reinterpret_cast<char*>(map(4 * kPage));
  limit_opened(2 * kPage);
  EXPECT_FALSE(sys::failed(sys::mprotect(p, 2 * kPage, PROT_READ | PROT_WRITE)));
  EXPECT_TRUE(sys::failed(sys::mprotect(p, kPage, PROT_READ | PROT_WRITE)));
  EXPECT_FALSE(sys::failed(sys::mprotect(p, kPage, PROT_NONE)));
  reset();
  EXPECT_FALSE(sys::failed(sys::mprotect(p, kPage, PROT_READ | PROT_WRITE)));
}

}  // namespace
}  // namespace ashlar::fakes
