// os/system.h and os/sys.h: what the core learns of its system, beside what libc says.
#include "os/system.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <set>
#include <thread>

#include "base/types.h"
#include "os/sys.h"
#include "support/support.h"

namespace ashlar::os {
namespace {

TEST(System, PageSizeIsTheKernels) { EXPECT_EQ(page_size(), static_cast<size_t>(sysconf(_SC_PAGESIZE))); }

TEST(System, MemoryIsAtMostTheRam) {
  EXPECT_GE(memory_size(), 16 * kMiB);
  EXPECT_LE(memory_size() / page_size(), static_cast<size_t>(sysconf(_SC_PHYS_PAGES)));
}

TEST(System, ResidentSizeFollowsWhatIsTouched) {
  constexpr size_t kBytes = 64 * kMiB;
  void* const p = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(p, MAP_FAILED);
  const size_t before = resident_size();
  ASSERT_GT(before, 0u);
  for (size_t i = 0; i < kBytes; i += 4096)
    static_cast<volatile char*>(p)[i] = 1;
  const size_t with = resident_size();
  EXPECT_GE(with, before + kBytes - 2 * kMiB);
  munmap(p, kBytes);
  EXPECT_LE(resident_size(), with - kBytes + 2 * kMiB);
}

TEST(System, TokensDifferBetweenLiveThreads) {
  const uintptr_t mine = thread_token();
  EXPECT_NE(mine, 0u);
  EXPECT_EQ(thread_token(), mine);
  uintptr_t other = mine;
  std::thread([&other] { other = thread_token(); }).join();
  EXPECT_NE(other, mine);
}

TEST(System, SmallFiles) {
  char buffer[16];
  EXPECT_EQ(read_small_file("/proc/self/no such file", buffer, sizeof buffer), 0u);
  const size_t length = read_small_file("/proc/self/comm", buffer, sizeof buffer);
  EXPECT_GT(length, 1u);
  EXPECT_EQ(length, strnlen(buffer, sizeof buffer));
  EXPECT_EQ(read_small_file("/proc/meminfo", buffer, sizeof buffer), sizeof buffer - 1);  // cut, with its end
  EXPECT_EQ(buffer[sizeof buffer - 1], 0);
}

TEST(System, SingleThreadedUntilThereIsAThread) {
  std::thread([] {}).join();
  EXPECT_FALSE(single_threaded());
}

TEST(Sys, ErrorsAreNumbersAndErrnoStays) {
  errno = 77;
  const intptr_t result = sys::munmap(reinterpret_cast<void*>(1), 4096);
  EXPECT_EQ(result, -EINVAL);
  EXPECT_TRUE(sys::failed(result));
  EXPECT_TRUE(sys::failed(sys::open_read_only("/no/such/file")));
  EXPECT_TRUE(sys::failed(sys::sbrk(INTPTR_MAX)));
  EXPECT_EQ(errno, 77);
}

TEST(Sys, AddressesAreNoErrors) {
  EXPECT_FALSE(sys::failed(0));
  EXPECT_FALSE(sys::failed(INTPTR_MAX));
  EXPECT_FALSE(sys::failed(static_cast<intptr_t>(-5000)));
  EXPECT_TRUE(sys::failed(-1));
  EXPECT_TRUE(sys::failed(-4095));
}

TEST(Sys, MappingsWork) {
  const size_t page = page_size();
  const intptr_t start = sys::mmap(nullptr, 3 * page, PROT_READ | PROT_WRITE, 0);
  ASSERT_FALSE(sys::failed(start));
  char* const p = reinterpret_cast<char*>(start);
  p[0] = 1;
  EXPECT_EQ(sys::madvise(p, page, MADV_DONTNEED), 0);
  EXPECT_EQ(p[0], 0);
  p[page] = 5;
  const intptr_t moved = sys::mremap(p, 3 * page, 64 * page, MREMAP_MAYMOVE);
  ASSERT_FALSE(sys::failed(moved));
  EXPECT_EQ(reinterpret_cast<char*>(moved)[page], 5);
  EXPECT_EQ(sys::munmap(reinterpret_cast<void*>(moved), 64 * page), 0);
}

}  // namespace
}  // namespace ashlar::os
