// What the machine's settings and a process's limits are taken to mean.
#include "doctor/system_checks.h"

#include <gtest/gtest.h>

#include "fake_tree.h"
#include "findings_support.h"

namespace ashlar_command {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;

TEST(HugePages, OnlyAlwaysIsWorthANote) {
  FakeTree fake;
  const std::string file = "/sys/kernel/mm/transparent_hugepage/enabled";
  EXPECT_EQ(check_huge_pages(fake.tree(), false).severity, Severity::kOk) << "a kernel without them";
  fake.put(file, "always [madvise] never\n");
  EXPECT_TRUE(says(check_huge_pages(fake.tree(), false), "set to madvise"));
  EXPECT_EQ(check_huge_pages(fake.tree(), false).severity, Severity::kOk);
  fake.put(file, "[always] madvise never\n");
  EXPECT_EQ(check_huge_pages(fake.tree(), false).severity, Severity::kNote);
  EXPECT_EQ(check_huge_pages(fake.tree(), true).severity, Severity::kOk) << "PR_SET_THP_DISABLE";
}

TEST(Overcommit, ModeTwoWithRatioAndWhatIsCommitted) {
  FakeTree fake;
  fake.put("/proc/sys/vm/overcommit_memory", "2\n");
  fake.put("/proc/sys/vm/overcommit_ratio", "50\n");
  fake.put("/proc/meminfo",
           "MemTotal: 8388608 kB\nCommitLimit:     4194304 kB\nCommitted_AS:    1048576 kB\n");
  const Finding finding = check_overcommit(fake.tree());
  EXPECT_EQ(finding.severity, Severity::kNote);
  EXPECT_TRUE(says(finding, "vm.overcommit_ratio 50"));
  EXPECT_TRUE(says(finding, "1 GiB of 4 GiB committed (25 %)")) << finding.found;
  fake.put("/proc/meminfo", "CommitLimit:     4194304 kB\nCommitted_AS:    4000000 kB\n");
  fake.put("/proc/sys/vm/overcommit_kbytes", "4194304\n");
  EXPECT_EQ(check_overcommit(fake.tree()).severity, Severity::kWarning);
  EXPECT_TRUE(says(check_overcommit(fake.tree()), "vm.overcommit_kbytes 4194304"));
}

TEST(Overcommit, OtherModesAndNone) {
  FakeTree fake;
  EXPECT_EQ(check_overcommit(fake.tree()).severity, Severity::kNote);
  fake.put("/proc/sys/vm/overcommit_memory", "1\n");
  EXPECT_EQ(check_overcommit(fake.tree()).severity, Severity::kOk);
}

TEST(Mappings, WarnsFromFourFifthsOn) {
  FakeTree fake;
  EXPECT_EQ(check_mappings(fake.tree(), 10).severity, Severity::kNote);
  fake.put("/proc/sys/vm/max_map_count", "1000\n");
  EXPECT_EQ(check_mappings(fake.tree(), 799).severity, Severity::kOk);
  EXPECT_EQ(check_mappings(fake.tree(), 800).severity, Severity::kWarning);
  EXPECT_TRUE(says(check_mappings(fake.tree(), 800), "800 of 1000"));
  EXPECT_TRUE(says(check_mappings(fake.tree(), 800), "sysctl vm.max_map_count=262144"));
}

TEST(PageSize, FourKibibytesAloneAreTested) {
  EXPECT_EQ(check_page_size(4096).severity, Severity::kOk);
  EXPECT_EQ(check_page_size(65536).severity, Severity::kWarning);
  EXPECT_TRUE(says(check_page_size(65536), "64 KiB"));
  EXPECT_EQ(check_page_size(0).severity, Severity::kNote);
}

TEST(CgroupCheck, WarnsWhenNineTenthsAreUsed) {
  FakeTree fake;
  EXPECT_EQ(check_cgroup(fake.tree(), "0::/\n").severity, Severity::kOk);
  fake.put("/sys/fs/cgroup/memory.max", "536870912\n");
  fake.put("/sys/fs/cgroup/memory.current", "104857600\n");
  const Finding roomy = check_cgroup(fake.tree(), "0::/\n");
  EXPECT_EQ(roomy.severity, Severity::kOk);
  EXPECT_TRUE(says(roomy, "512 MiB, of which 100 MiB are used (/sys/fs/cgroup/memory.max)")) << roomy.found;
  fake.put("/sys/fs/cgroup/memory.current", "500000000\n");
  EXPECT_EQ(check_cgroup(fake.tree(), "0::/\n").severity, Severity::kWarning);
}

TEST(UsableMemory, TheRamOrTheLowerLimit) {
  FakeTree fake;
  fake.put("/proc/meminfo", "MemTotal:        1048576 kB\nMemFree: 1 kB\n");
  EXPECT_EQ(usable_memory(fake.tree(), "0::/\n"), 1024 * kMiB);
  fake.put("/sys/fs/cgroup/memory.max", "536870912\n");
  EXPECT_EQ(usable_memory(fake.tree(), "0::/\n"), 512 * kMiB);
  fake.put("/sys/fs/cgroup/memory.max", "53687091200\n");
  EXPECT_EQ(usable_memory(fake.tree(), "0::/\n"), 1024 * kMiB);
}

class LimitChecks : public ::testing::Test {
 protected:
  LimitChecks() { process_.limits.known = true; }
  Finding check(std::string_view name) {
    for (Finding& finding : check_limits(process_, 8192 * kMiB)) {
      if (finding.check == name) return finding;
    }
    ADD_FAILURE() << "no finding " << name;
    return {};
  }
  ProcessFacts process_;
};

TEST_F(LimitChecks, AddressSpaceSaysWhatTheWindowAndTheStacksGet) {
  EXPECT_EQ(check("RLIMIT_AS").severity, Severity::kOk);
  process_.limits.address_space = 200 * kMiB;
  process_.limits.stack = 8 * kMiB;
  const Finding tight = check("RLIMIT_AS");
  EXPECT_EQ(tight.severity, Severity::kNote);
  EXPECT_TRUE(says(tight, "reserves 1 MiB and grows in place")) << tight.meaning;
  EXPECT_TRUE(says(tight, "Thread stacks of 8 MiB each count too: 25 of them")) << tight.meaning;
  process_.limits.address_space = std::uint64_t{2} * 2 * 8192 * kMiB;
  EXPECT_EQ(check("RLIMIT_AS").severity, Severity::kOk) << "half of it holds the default window";
}

TEST_F(LimitChecks, DataWarnsWhenNearlyUsedUp) {
  process_.limits.data = 100 * kMiB;
  process_.data_bytes = 50 * kMiB;
  EXPECT_EQ(check("RLIMIT_DATA").severity, Severity::kNote);
  process_.data_bytes = 95 * kMiB;
  EXPECT_EQ(check("RLIMIT_DATA").severity, Severity::kWarning);
}

TEST_F(LimitChecks, LockedMemoryAndLargeStacks) {
  process_.limits.locked = 8 * kMiB;
  EXPECT_EQ(check("RLIMIT_MEMLOCK").severity, Severity::kOk);
  EXPECT_TRUE(says(check("RLIMIT_MEMLOCK"), "window"));
  process_.locked_bytes = 4 * kMiB;
  EXPECT_EQ(check("RLIMIT_MEMLOCK").severity, Severity::kNote);
  EXPECT_TRUE(says(check("RLIMIT_MEMLOCK"), "4 MiB are locked"));
  EXPECT_EQ(check("RLIMIT_STACK").severity, Severity::kOk) << "unlimited";
  process_.limits.stack = 2048 * kMiB;
  EXPECT_EQ(check("RLIMIT_STACK").severity, Severity::kNote);
}

TEST(LimitsUnknown, AreANote) {
  const Findings findings = check_limits(ProcessFacts{}, 0);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].severity, Severity::kNote);
}

}  // namespace
}  // namespace ashlar_command
