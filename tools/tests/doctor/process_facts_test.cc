// Reading /proc: limits, environment, auxiliary vector, cgroups of both versions.
#include "doctor/process_facts.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <unistd.h>
#include "human_bytes.h"

#include <filesystem>

#include "fake_tree.h"
#include "human_bytes.h"

namespace ashlar_command {
namespace {

constexpr std::string_view kLimits =
    "Limit                     Soft Limit           Hard Limit           Units     \n"
    "Max data size             104857600            unlimited            bytes     \n"
    "Max stack size            8388608              unlimited            bytes     \n"
    "Max locked memory         65536                65536                bytes     \n"
    "Max address space         unlimited            unlimited            bytes     \n";

TEST(ProcessFacts, Limits) {
  const Limits limits = parse_limits(kLimits);
  EXPECT_TRUE(limits.known);
  EXPECT_FALSE(limits.address_space);
  EXPECT_EQ(limits.data, 104857600u);
  EXPECT_EQ(limits.locked, 65536u);
  EXPECT_EQ(limits.stack, 8388608u);
  EXPECT_FALSE(parse_limits("").known);
}

TEST(ProcessFacts, EnvironmentKeepsTheFirstOfTwoAndEmptyValues) {
  const std::string text("A=1\0B=\0A=2\0noise\0C=x=y\0", 24);
  const Environment expected = {{"A", "1"}, {"B", ""}, {"C", "x=y"}};
  EXPECT_EQ(parse_environment(text), expected);
}

TEST(ProcessFacts, AProcessOfATree) {
  FakeTree fake;
  const Elf64_auxv_t vector[] = {
      {AT_PAGESZ, {16384}}, {AT_ENTRY, {0x401000}}, {AT_SECURE, {1}}, {AT_NULL, {0}}};
  fake.put("/proc/7/auxv", {reinterpret_cast<const char*>(vector), sizeof(vector)});
  fake.put("/proc/7/maps", "1000-2000 r--p 00000000 08:01 1 /bin/x\n");
  fake.put("/proc/7/limits", kLimits);
  fake.put("/proc/7/environ", std::string_view("LD_PRELOAD=/x.so\0", 17));
  fake.put("/proc/7/status",
           "Name:\tx\nVmSize:\t 300 kB\nVmLck:\t 12 kB\nVmData:\t 100 kB\nTHP_enabled:\t0\n");
  std::filesystem::create_symlink("/bin/x", fake.tree().real("/proc/7/exe"));
  const ProcessFacts facts = read_process(fake.tree(), "7");
  EXPECT_TRUE(facts.readable);
  EXPECT_EQ(facts.program, "/bin/x");
  EXPECT_EQ(facts.page_size, 16384u);
  EXPECT_EQ(facts.entry, 0x401000u);
  EXPECT_TRUE(facts.secure);
  EXPECT_TRUE(facts.huge_pages_off);
  EXPECT_EQ(facts.locked_bytes, 12u * 1024);
  EXPECT_EQ(facts.data_bytes, 100u * 1024);
  EXPECT_EQ(facts.address_bytes, 300u * 1024);
  EXPECT_EQ(facts.environment.at("LD_PRELOAD"), "/x.so");
}

TEST(ProcessFacts, AStrangersProcessHasEmptyFiles) {
  FakeTree fake;
  fake.put("/proc/8/auxv", "");
  fake.put("/proc/8/maps", "");
  EXPECT_FALSE(read_process(fake.tree(), "8").readable);
  EXPECT_FALSE(read_process(fake.tree(), "9").readable);
}

TEST(ProcessFacts, OneselfAsTheKernelTells) {
  const ProcessFacts facts = read_process(Tree(), "self");
  EXPECT_TRUE(facts.readable);
  EXPECT_EQ(facts.page_size, static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)));
  EXPECT_EQ(facts.program, std::filesystem::read_symlink("/proc/self/exe").string());
  EXPECT_FALSE(facts.secure);
}

TEST(Cgroup, VersionTwoTheLowestOfAllLevels) {
  FakeTree fake;
  fake.put("/sys/fs/cgroup/a/b/memory.max", "max\n");
  fake.put("/sys/fs/cgroup/a/memory.max", "1000000\n");
  fake.put("/sys/fs/cgroup/a/memory.current", "400\n");
  fake.put("/sys/fs/cgroup/memory.max", "2000000\n");
  const auto limit = memory_limit(fake.tree(), "0::/a/b\n");
  ASSERT_TRUE(limit);
  EXPECT_EQ(limit->bytes, 1000000u);
  EXPECT_EQ(limit->used, 400u);
  EXPECT_EQ(limit->file, "/sys/fs/cgroup/a/memory.max");
}

TEST(Cgroup, InAContainerThePathLeadsNowhereAndTheRootCounts) {
  FakeTree fake;
  fake.put("/sys/fs/cgroup/memory.max", "2000000\n");
  EXPECT_EQ(memory_limit(fake.tree(), "0::/docker/4711\n").value().bytes, 2000000u);
  EXPECT_EQ(memory_limit(fake.tree(), "0::/\n").value().bytes, 2000000u);
  EXPECT_EQ(memory_limit(fake.tree(), "").value().bytes, 2000000u);
}

TEST(Cgroup, VersionOneAndItsNumberForNoLimit) {
  FakeTree fake;
  fake.put("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "9223372036854771712\n");
  fake.put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  const std::string lines = "9:name=systemd:/x\n4:memory:/x\n3:cpuset:/y\n0::/\n";
  EXPECT_FALSE(memory_limit(fake.tree(), lines));
  fake.put("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "5000\n");
  EXPECT_EQ(memory_limit(fake.tree(), lines).value().bytes, 5000u);
  EXPECT_FALSE(memory_limit(fake.tree(), "4:cpu,memory2:/x\n")) << "another controller of similar name";
}

TEST(Cgroup, IdlePageCacheIsNotUse) {
  FakeTree fake;
  fake.put("/sys/fs/cgroup/memory.max", "2000000\n");
  fake.put("/sys/fs/cgroup/memory.current", "1900000\n");
  fake.put("/sys/fs/cgroup/memory.stat", "anon 1\ninactive_file 1500000\nactive_file 7\n");
  EXPECT_EQ(memory_limit(fake.tree(), "0::/\n").value().used, 400000u);
  FakeTree old;
  old.put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "2000000\n");
  old.put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "1900000\n");
  old.put("/sys/fs/cgroup/memory/memory.stat", "inactive_file 5\ntotal_inactive_file 1500000\n");
  EXPECT_EQ(memory_limit(old.tree(), "4:memory:/\n").value().used, 400000u);
}

TEST(Numbers, WhatIsOneAndWhatIsNot) {
  EXPECT_EQ(leading_number(" \t12 kB"), 12u);
  EXPECT_FALSE(leading_number("max"));
  EXPECT_FALSE(leading_number(""));
  EXPECT_FALSE(leading_number("99999999999999999999999"));
  EXPECT_EQ(line_after("a 1\nab 2\n", "ab"), " 2");
  EXPECT_FALSE(line_after("a 1\n", "b"));
  EXPECT_EQ(human_bytes(12), "12 B");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(std::uint64_t{3} << 30), "3 GiB");
}

}  // namespace
}  // namespace ashlar_command
