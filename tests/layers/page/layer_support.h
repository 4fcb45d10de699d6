// The page layer as its tests start it: a window of 1 GiB, and purging as a test wants it.
#pragma once

#include "kernel_pages.h"
#include "page/page_layer.h"
#include "support/support.h"

namespace ashlar::page {

inline constexpr size_t kTestWindow = 1024 * kMiB;

class PageLayerTest : public ::testing::Test {
 protected:
  void SetUp() override { start({.window_bytes = kTestWindow}); }
  void TearDown() override { EXPECT_TRUE(g_pages.check_invariants()); }

  // The first call reserves the window, later ones only set the budget.
  static void start(const PageLayer::Config& config) {
    if (g_window_owner.reserved() == 0) {
      ASSERT_TRUE(g_pages.initialise(config));
    }
    g_pages.configure_purge(config);
  }
  static char* address(PageIndex page) { return reinterpret_cast<char*>(page_address(page)); }
  // A large block that is written whole and freed.
  static void use_and_free(PageCount count) {
    const PageIndex page = g_pages.allocate_large(count, 0);
    touch(page, count);
    g_pages.release_large(page);
  }

  static void touch(PageIndex page, PageCount count, char value = 1) {
    for (PageCount i = 0; i < count; ++i)
      address(page + i)[0] = value;
  }
  static size_t free_pages() {
    size_t free = 0, dirty = 0;
    g_pages.buddy_counts(&free, &dirty);
    return free;
  }
  static size_t dirty_pages() {
    size_t free = 0, dirty = 0;
    g_pages.buddy_counts(&free, &dirty);
    return dirty;
  }
};

}  // namespace ashlar::page
