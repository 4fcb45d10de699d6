// Linked into every interface test: who serves this process? Without it all other tests could pass
// because glibc serves.
#include "support.h"

#include <gtest/gtest.h>

namespace interface_test {
namespace {

constexpr const char* kCNames[] = {"malloc",          "free",
                                   "calloc",          "realloc",
                                   "reallocarray",    "memalign",
                                   "aligned_alloc",   "posix_memalign",
                                   "valloc",          "pvalloc",
                                   "cfree",           "malloc_usable_size",
                                   "free_sized",      "free_aligned_sized",
                                   "malloc_trim",     "mallinfo",
                                   "mallinfo2",       "malloc_info",
                                   "malloc_stats",    "mallopt",
                                   "__libc_malloc",   "__libc_free",
                                   "__libc_calloc",   "__libc_realloc",
                                   "__libc_memalign", "__posix_memalign"};

constexpr const char* kOperators[] = {"_Znwm",
                                      "_Znam",
                                      "_ZnwmRKSt9nothrow_t",
                                      "_ZnamRKSt9nothrow_t",
                                      "_ZnwmSt11align_val_t",
                                      "_ZnamSt11align_val_t",
                                      "_ZnwmSt11align_val_tRKSt9nothrow_t",
                                      "_ZnamSt11align_val_tRKSt9nothrow_t",
                                      "_ZdlPv",
                                      "_ZdaPv",
                                      "_ZdlPvm",
                                      "_ZdaPvm",
                                      "_ZdlPvRKSt9nothrow_t",
                                      "_ZdaPvRKSt9nothrow_t",
                                      "_ZdlPvSt11align_val_t",
                                      "_ZdaPvSt11align_val_t",
                                      "_ZdlPvmSt11align_val_t",
                                      "_ZdaPvmSt11align_val_t",
                                      "_ZdlPvSt11align_val_tRKSt9nothrow_t",
                                      "_ZdaPvSt11align_val_tRKSt9nothrow_t"};

void expect_served(const char* name) {
  void* const address = find_symbol(name);
  if (address == nullptr) {
    ADD_FAILURE() << name << " is nowhere";
    return;
  }
  EXPECT_EQ(file_of(address), expected_library()) << name;
}

TEST(Serving, MallocAndUsableSizeAreTheLibrarys) {
  ASSERT_FALSE(expected_library().empty()) << "ASHLAR_LIBRARY names no file";
  expect_served("malloc");
  expect_served("malloc_usable_size");
}

TEST(Serving, EveryCNameIsTheLibrarys) {
  for (const char* name : kCNames) {
    expect_served(name);
  }
}

TEST(Serving, EveryOperatorIsTheLibrarys) {
  for (const char* name : kOperators) {
    expect_served(name);
  }
}

}  // namespace
}  // namespace interface_test
