// Other allocators, sanitizers, valgrind and deep binding, from made-up objects.
#include "doctor/neighbour_checks.h"

#include <gtest/gtest.h>

#include "findings_support.h"

namespace ashlar_command {
namespace {

/// A program, a plugin and libc: 0, 1, 2.
class NeighbourTest : public ::testing::Test {
 protected:
  NeighbourTest() {
    image_.objects = {object("/bin/program"), object("/lib/plugin.so"), object("/lib/libc.so.6", {})};
    image_.objects[1].elf.ashlar_version = "0.1.0";  // linked into it; is it there is all that counts here
  }
  ProcessFacts process_;
  Image image_;
};

TEST_F(NeighbourTest, AnotherAllocatorAndWhoCallsIt) {
  EXPECT_EQ(only(check_allocators(image_)).severity, Severity::kOk);
  LoadedObject jemalloc = object("/lib/libjemalloc.so.2");
  jemalloc.elf.defines = {{"mallocx", 1}, {"mallctl", 2}, {"malloc", 3}};
  image_.objects.push_back(jemalloc);
  EXPECT_TRUE(says(only(check_allocators(image_)), "jemalloc is in the process (libjemalloc.so.2)"));
  image_.objects[0].elf.wants["mallocx"] = 0;
  image_.objects[1].elf.wants["mallctl"] = 0;
  const Findings findings = check_allocators(image_);
  ASSERT_EQ(findings.size(), 3u);
  EXPECT_EQ(findings[1].severity, Severity::kWarning);
  EXPECT_EQ(findings[1].found, "program calls jemalloc's own names: mallocx");
  EXPECT_EQ(findings[2].severity, Severity::kNote);
  EXPECT_EQ(findings[2].found, "plugin.so asks jemalloc: mallctl");
}

TEST_F(NeighbourTest, WithoutAshlarTheOtherServes) {
  image_.objects[1] = object("/lib/plain.so");
  LoadedObject jemalloc = object("/lib/libjemalloc.so.2");
  jemalloc.elf.defines = {{"mallctl", 2}, {"malloc", 3}};
  image_.objects.push_back(jemalloc);
  image_.objects[0].elf.wants["mallctl"] = 0;
  image_.bindings = {{"malloc", 0, 3}};
  EXPECT_TRUE(says(only(check_allocators(image_)), "malloc → libjemalloc.so.2 (1 object)"));
}

TEST_F(NeighbourTest, AWeakReferenceThatNobodyAnswersIsNoCaller) {
  image_.objects[0].elf.wants["mallctl"] = 0;
  EXPECT_EQ(only(check_allocators(image_)).severity, Severity::kOk);
}

TEST_F(NeighbourTest, AnAllocatorKnownByItsFileOrLinkedIn) {
  image_.objects.push_back(object("/lib/libhoard.so"));
  EXPECT_TRUE(says(only(check_allocators(image_)), "libhoard.so is in the process"));
  image_.objects.pop_back();
  image_.objects[0].elf.has = {{"mi_malloc", 1}, {"mi_free", 2}};
  EXPECT_TRUE(says(only(check_allocators(image_)), "mimalloc is in the process (program)"));
}

TEST_F(NeighbourTest, Sanitizers) {
  EXPECT_EQ(only(check_tools(image_, process_)).severity, Severity::kOk);
  image_.objects[0].elf.wants = {{"__tsan_init", 0}};
  EXPECT_EQ(only(check_tools(image_, process_)).severity, Severity::kProblem);
  EXPECT_TRUE(says(only(check_tools(image_, process_)), "ThreadSanitizer (program)"));
  image_.objects[0].elf.wants.clear();
  LoadedObject library = object("/lib/libasan.so.8");
  library.elf.defines = {{"__asan_init", 1}, {"__lsan_do_leak_check", 2}};
  image_.objects.push_back(library);
  EXPECT_TRUE(says(only(check_tools(image_, process_)), "AddressSanitizer (libasan.so.8)"));
  EXPECT_EQ(only(check_allocators(image_)).severity, Severity::kOk) << "a sanitizer is not named twice";
}

TEST_F(NeighbourTest, ValgrindsToolsThatReplaceMalloc) {
  process_.maps = "1-2 r--p 0 0 0 /usr/libexec/valgrind/vgpreload_core-amd64-linux.so\n";
  EXPECT_EQ(only(check_tools(image_, process_)).severity, Severity::kNote);
  process_.maps += "3-4 r--p 0 0 0 /usr/libexec/valgrind/vgpreload_memcheck-amd64-linux.so\n";
  EXPECT_EQ(only(check_tools(image_, process_)).severity, Severity::kProblem);
}

TEST_F(NeighbourTest, ModulesOfProgramsThatBindDeeply) {
  EXPECT_EQ(only(check_modules(image_, process_.environment)).severity, Severity::kOk);
  image_.objects[0].path = "/usr/sbin/named";
  EXPECT_EQ(only(check_modules(image_, process_.environment)).severity, Severity::kNote);
  image_.objects[0].path = "/usr/bin/php8.2";
  EXPECT_EQ(only(check_modules(image_, process_.environment)).severity, Severity::kNote);
  EXPECT_TRUE(says(only(check_modules(image_, process_.environment)), "php"));
  process_.environment["ASHLAR_CONF"] = "deepbind:keep,foreign:abort";
  EXPECT_EQ(only(check_modules(image_, process_.environment)).severity, Severity::kWarning);
  EXPECT_TRUE(says(only(check_modules(image_, process_.environment)), "deepbind:keep"));
  process_.environment["ASHLAR_CONF"] = "deepbind:keep,deepbind:drop";
  EXPECT_EQ(only(check_modules(image_, process_.environment)).severity, Severity::kNote);
  image_.objects[0].path = "/bin/program";
  image_.other_namespaces = true;
  EXPECT_EQ(only(check_modules(image_, process_.environment)).severity, Severity::kWarning);
}

}  // namespace
}  // namespace ashlar_command
