// traps.md 14-17 seen from the program's start: the first call of the process, allocation before main, in
// resolvers, constructors and opened libraries.
#include "child.h"
#include "support.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdlib>
#include <thread>

namespace interface_test {
namespace {

constexpr int kSeconds = 15;  // far more than any of these programs takes

class FirstCall : public testing::TestWithParam<const char*> {};

TEST_P(FirstCall, Works) {
  const ChildResult result = run_child({ASHLAR_FIRST_CALL, GetParam()});
  EXPECT_EQ(result.signal, 0) << result.err;
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.out, "went on\n");
  if (std::string(GetParam()) != "free_foreign") {
    EXPECT_EQ(result.err, "");
  }
}

INSTANTIATE_TEST_SUITE_P(Each, FirstCall,
                         testing::Values("malloc", "malloc_zero", "malloc_page", "malloc_large",
                                         "malloc_direct", "calloc", "realloc_null", "memalign",
                                         "posix_memalign", "free_null", "free_foreign", "usable_size_null",
                                         "malloc_too_large", "malloc_trim", "mallinfo2", "mallopt", "fork"),
                         [](const auto& one) { return std::string(one.param); });

TEST(Start, AllocationBeforeMainIsThereInMain) {
  const ChildResult result = run_child({ASHLAR_EARLY_CONSTRUCTORS});
  EXPECT_EQ(result.status, 0) << result.out << result.err << " signal " << result.signal;
  EXPECT_EQ(result.err, "");
}

TEST(Start, AResolverMayAllocateBeforeLibcHasStarted) {
  const ChildResult result = run_child({ASHLAR_EARLY_RESOLVER}, {}, kSeconds);
  EXPECT_EQ(result.status, 0) << result.out << result.err << " signal " << result.signal;
}

// Options are read although the first call came before `environ` was set.
TEST(Start, OptionsCountAfterAnEarlyFirstCall) {
  const std::string conf = "ASHLAR_CONF=stats_at_exit:text";
  for (const std::vector<std::string>& program : {std::vector<std::string>{ASHLAR_FIRST_CALL, "malloc"},
                                                  {ASHLAR_EARLY_RESOLVER},
                                                  {ASHLAR_EARLY_CONSTRUCTORS}}) {
    const ChildResult result = run_child(program, {conf}, kSeconds);
    EXPECT_FALSE(result.hung) << program[0] << " hangs";
    EXPECT_EQ(result.status, 0) << program[0] << result.err;
    EXPECT_GT(result.err.size(), 200U) << program[0] << ": no statistics at exit: " << result.err;
  }
}

TEST(Start, NothingIsPrintedUnasked) {
  for (const std::vector<std::string>& program :
       {std::vector<std::string>{"/bin/true"}, {"/bin/ls", "/"}, {"/bin/sh", "-c", "exit 0"}}) {
    const ChildResult result = run_child(program);
    EXPECT_EQ(result.status, 0) << program[0];
    EXPECT_EQ(result.err, "") << program[0];
  }
}

// 43. A program may close any descriptor, or expect the lowest free one.
TEST(Start, KeepsNoDescriptorOpen) {
  const ChildResult with = run_child({"/bin/ls", "/proc/self/fd"});
  const ChildResult without = run_child({"/bin/ls", "/proc/self/fd"}, {"LD_PRELOAD="});
  EXPECT_EQ(with.status, 0) << with.err;
  EXPECT_FALSE(with.out.empty());
  EXPECT_EQ(with.out, without.out);
}

TEST(Start, AnUnknownOptionIsNamedOnceAndIgnored) {
  const ChildResult result = run_child({ASHLAR_FIRST_CALL, "malloc"}, {"ASHLAR_CONF=no_such_option:5"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.out, "went on\n");
  EXPECT_EQ(occurrences(result.err, "no_such_option"), 1) << result.err;
}

TEST(Start, OptionsAreShownWithWhereTheyComeFrom) {
  const ChildResult result = run_child({ASHLAR_OWN_OPTIONS}, {"ASHLAR_CONF=cache_bytes:384k,purge_flor:4m"});
  EXPECT_EQ(result.status, 0) << result.err;
  for (const char* line :
       {"ashlar_conf: unknown option in 'window=1g', ignored; did you mean window:1g? (key:value,",
        "ASHLAR_CONF: unknown option in 'purge_flor:4m', ignored; did you mean purge_floor:4m?\n",
        "\npurge_floor:8m  (the program's variable ashlar_conf)\n", "\ncache_bytes:384k  (ASHLAR_CONF)\n",
        "\npurge_share:8  (default)\n"}) {
    EXPECT_EQ(occurrences(result.err, line), 1) << line << " in\n" << result.err;
  }
}

TEST(OpenedLibrary, AllocatesInConstructorAndThreadStorage) {
  for (int round = 0; round < 50; ++round) {
    void* const module = dlopen(ASHLAR_LOADED_MODULE, RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(module, nullptr) << dlerror();
    auto* const work = reinterpret_cast<void* (*)()>(dlsym(module, "module_work"));
    ASSERT_NE(work, nullptr);
    std::free(work());
    std::thread([work] { std::free(work()); }).join();
    dlclose(module);
  }
  EXPECT_EQ(heap_faults(), 0);
}

TEST(OpenedLibrary, AlreadyRunningThreadsGetItsThreadStorage) {
  void* module = nullptr;
  std::atomic<bool> opened{false};
  std::thread early([&] {
    std::free(std::malloc(100));
    while (!opened.load()) {
      std::this_thread::yield();
    }
    auto* const work = reinterpret_cast<void* (*)()>(dlsym(module, "module_work"));
    for (int i = 0; i < 1000; ++i) {
      std::free(work());
    }
  });
  module = dlopen(ASHLAR_LOADED_MODULE, RTLD_LAZY | RTLD_LOCAL);
  ASSERT_NE(module, nullptr) << dlerror();
  opened.store(true);
  early.join();
  dlclose(module);
}

}  // namespace
}  // namespace interface_test
