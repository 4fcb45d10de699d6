// See limits_support.h.
#include "fakes/limits_support.h"

#include <sys/resource.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/options.h"
#include "debug/verify.h"
#include "fakes/faulty_sys.h"
#include "heap/heap.h"
#include "os/sys.h"
#include "page/direct.h"

namespace ashlar::heap {

using page::g_window_owner;

size_t counted_bytes(const char* what) {
  char line[256];
  size_t kilobytes = 0;
  std::FILE* const file = std::fopen("/proc/self/status", "r");
  while (file != nullptr && std::fgets(line, sizeof line, file) != nullptr) {
    if (strncmp(line, what, strlen(what)) == 0)
      kilobytes = std::strtoull(line + strlen(what) + 1, nullptr, 10);
  }
  if (file != nullptr) std::fclose(file);
  return kilobytes * kKiB;
}

size_t mapped_bytes() { return counted_bytes("VmSize"); }

size_t writable_bytes(uintptr_t start, uintptr_t end) {
  size_t bytes = 0;
  std::FILE* const file = std::fopen("/proc/self/maps", "r");
  char line[512];
  while (file != nullptr && std::fgets(line, sizeof line, file) != nullptr) {
    uintptr_t from = 0, to = 0;
    char rights[8] = "";
    if (std::sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s", &from, &to, rights) != 3) continue;
    from = std::max(from, start);
    to = std::min(to, end);
    if (from < to && rights[1] == 'w') bytes += to - from;
  }
  if (file != nullptr) std::fclose(file);
  return bytes;
}

size_t writable_heap() {
  return writable_bytes(page::page_address(0), page::page_address(g_window_owner.reserved()));
}

Block make(size_t size, size_t number) {
  void* const p = allocate(size);
  const Block block{static_cast<unsigned char*>(p), size, static_cast<unsigned char>(number % 250 + 1)};
  if (p != nullptr) memset(p, block.value, size);
  return block;
}

void make_all(std::vector<Block>& blocks, size_t size) {
  while (blocks.size() < blocks.capacity()) {
    const Block block = make(size, blocks.size());
    if (block.start == nullptr) return;
    blocks.push_back(block);
  }
}

std::vector<Block> make_many(size_t size, size_t bytes) {
  std::vector<Block> blocks;
  blocks.reserve(bytes / size + 1);
  make_all(blocks, size);
  return blocks;
}

void free_all(std::vector<Block>& blocks) {
  for (const Block& block : blocks) {
    ASSERT_TRUE(intact(block));
    deallocate(block.start);
  }
  blocks.clear();
}

void set_real_limit(int resource, size_t bytes) {
  const rlimit limit{bytes, RLIM_INFINITY};
  ASSERT_EQ(setrlimit(static_cast<__rlimit_resource>(resource), &limit), 0);
}

void limit_addresses_later(size_t bytes) {
  fakes::fail_mmap_from(8 * kMiB);
  fakes::set_limit(os::sys::kLimitAddressSpace, bytes);
}

void start_with_window(size_t bytes) {
  fakes::reset();
  g_options.window = bytes;
  deallocate(allocate(1));
}

void exhaust_three_times(std::vector<Block>& blocks, size_t least) {
  for (const size_t size : {100u, 3000u, 100'000u}) {
    make_all(blocks, size);
    ASSERT_LT(blocks.size(), blocks.capacity());
    EXPECT_GT(blocks.size() * size, least) << size;
    EXPECT_EQ(allocate_zeroed(size), nullptr);
    ASSERT_EQ(debug::verify_heap(2), 0);
    free_all(blocks);
    ASSERT_EQ(debug::verify_heap(2), 0);
  }
}

size_t direct_blocks() {
  size_t blocks = 0, bytes = 0, peak = 0, table = 0;
  page::g_direct.totals(&blocks, &bytes, &peak, &table);
  return blocks;
}

}  // namespace ashlar::heap
