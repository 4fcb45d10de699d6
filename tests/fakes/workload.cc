#include "fakes/workload.h"

#include <string.h>

#include <algorithm>

#include "base/options.h"
#include "debug/verify.h"
#include "heap/heap.h"
#include "page/direct.h"
#include "support/support.h"

namespace ashlar::heap {

bool intact(const Block& block) {
  return block.start[0] == block.value && memcmp(block.start, block.start + 1, block.size - 1) == 0;
}

void configure_small() {
  g_options.window = 64 * kMiB;
  g_options.direct_threshold = 1 * kMiB;
  g_options.purge_floor = 64 * kKiB;
  g_options.regret_limit = 0;
}

void Workload::run() {
  test::Random random(401);
  for (int step = 0; step < 500; ++step) {
    const size_t choice = random.below(10);
    const size_t size = random.one_in(8) ? random.between(1, 600'000) : random.between(1, 3000);
    if (choice < 6 || blocks_.empty()) {
      add(choice == 0   ? allocate_zeroed(size)
          : choice == 1 ? allocate_aligned(4096, size)
                        : allocate(size),
          size, choice == 0);
    } else if (choice < 8) {
      resize(random.below(blocks_.size()), size);
    } else {
      drop(random.below(blocks_.size()));
    }
    if (step % 100 == 99) purge();
  }
  const size_t before = blocks_.size();
  add(allocate(2 * kMiB), 2 * kMiB, false);  // a direct mapping here
  if (blocks_.size() > before) {
    resize(before, 3 * kMiB);
    resize(before, 1500 * kKiB);
    drop(before);
  }
}

void Workload::finish() {
  for (const Block& block : blocks_)
    EXPECT_TRUE(intact(block)) << block.size;
  EXPECT_EQ(debug::verify_heap(2), 0);
  for (const Block& block : blocks_)
    deallocate(block.start);
  blocks_.clear();
  purge();
  EXPECT_EQ(debug::verify_heap(2), 0);
  EXPECT_EQ(page::g_pages.counters().live_pages, 0u);
}

void Workload::add(void* p, size_t size, bool zeroed) {
  if (p == nullptr) {
    ++refused_;
    return;
  }
  const Block block{static_cast<unsigned char*>(p), size,
                    static_cast<unsigned char>(blocks_.size() % 251 + 1)};
  if (zeroed) {
    EXPECT_TRUE(block.start[0] == 0 && memcmp(p, block.start + 1, size - 1) == 0) << "calloc of " << size;
  }
  memset(p, block.value, size);
  blocks_.push_back(block);
}

void Workload::resize(size_t place, size_t size) {
  Block& block = blocks_[place];
  EXPECT_TRUE(intact(block));
  void* const p = reallocate(block.start, size);
  if (p == nullptr) {
    ++refused_;
    EXPECT_TRUE(intact(block)) << "a failed realloc changed it";
    return;
  }
  block.start = static_cast<unsigned char*>(p);
  block.size = std::min(block.size, size);
  EXPECT_TRUE(intact(block)) << "moved";
  block.size = size;
  memset(p, block.value, size);
}

void Workload::drop(size_t place) {
  EXPECT_TRUE(intact(blocks_[place]));
  deallocate(blocks_[place].start);
  blocks_[place] = blocks_.back();
  blocks_.pop_back();
}

}  // namespace ashlar::heap
