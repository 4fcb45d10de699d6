// Why a process cannot be looked into, from made-up files of /proc.
#include "doctor/process_access.h"

#include <gtest/gtest.h>

#include "fake_tree.h"

namespace ashlar_command {
namespace {

class AccessTest : public ::testing::Test {
 protected:
  void status(const std::string& state, const std::string& uids, const std::string& more = "") {
    fake_.put("/proc/7/status",
              "Name:\tsome (name)\nState:\t" + state + "\nPPid:\t3\nUid:\t" + uids + "\n" + more);
  }
  void flags(const std::string& flags) {
    fake_.put("/proc/7/stat", "7 (some (name)) S 3 7 7 0 -1 " + flags + " 0 0\n");
  }
  std::string absent() { return absent_reason(fake_.tree(), 7).value_or("there"); }
  Finding access(uid_t caller) { return access_finding(fake_.tree(), 7, caller); }

  FakeTree fake_;
};

bool says(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST_F(AccessTest, NoSuchProcess) { EXPECT_TRUE(says(absent(), "there is no process 7")); }

TEST_F(AccessTest, OneThatRuns) {
  status("S (sleeping)", "1000\t1000\t1000\t1000");
  flags("4194304");
  EXPECT_EQ(absent(), "there");
}

TEST_F(AccessTest, Zombie) {
  status("Z (zombie)", "1000\t1000\t1000\t1000");
  EXPECT_TRUE(says(absent(), "has ended and waits for its parent, process 3")) << absent();
}

TEST_F(AccessTest, ThreadOfTheKernel) {
  status("I (idle)", "0\t0\t0\t0");
  flags("2129984");  // PF_KTHREAD and others
  EXPECT_TRUE(says(absent(), "thread of the kernel")) << absent();
  status("I (idle)", "0\t0\t0\t0", "Kthread:\t0\n");
  EXPECT_EQ(absent(), "there") << "a newer kernel says so itself";
  flags("4194304");
  status("I (idle)", "0\t0\t0\t0", "Kthread:\t1\n");
  EXPECT_TRUE(says(absent(), "thread of the kernel"));
}

TEST_F(AccessTest, AnotherUsersProcess) {
  status("S (sleeping)", "1000\t1001\t1000\t1000");
  EXPECT_TRUE(says(access(1000).found, "belongs to user 1001, and this command runs as user 1000"));
  EXPECT_TRUE(says(access(0).meaning, "CAP_SYS_PTRACE")) << "a root without its capabilities";
}

TEST_F(AccessTest, TheSystemsSetting) {
  status("S (sleeping)", "1000\t1000\t1000\t1000");
  for (const char* const scope : {"1", "2", "3"}) {
    fake_.put("/proc/sys/kernel/yama/ptrace_scope", std::string(scope) + "\n");
    EXPECT_TRUE(says(access(1000).found, std::string("ptrace_scope is ") + scope));
  }
  EXPECT_FALSE(says(access(1000).remedy, "sysctl")) << "3 stays until the next start";
}

TEST_F(AccessTest, TheSettingThatShutsOutRootToo) {
  status("S (sleeping)", "1000\t1000\t1000\t1000");
  fake_.put("/proc/sys/kernel/yama/ptrace_scope", "3\n");
  for (const uid_t caller : {uid_t{0}, uid_t{1001}}) {
    const Finding finding = access(caller);
    EXPECT_TRUE(says(finding.found, "ptrace_scope is 3")) << caller << ": " << finding.found;
    EXPECT_TRUE(says(finding.remedy, "ashlar run --verbose")) << finding.remedy;
    EXPECT_FALSE(says(finding.remedy, "root") || says(finding.remedy, "SYS_PTRACE")) << finding.remedy;
  }
  fake_.put("/proc/sys/kernel/yama/ptrace_scope", "2\n");
  EXPECT_TRUE(says(access(0).meaning, "CAP_SYS_PTRACE")) << "2 leaves it to the capability";
}

TEST_F(AccessTest, OneThatHidesItsMemory) {
  status("S (sleeping)", "1000\t1000\t1000\t1000");
  fake_.put("/proc/sys/kernel/yama/ptrace_scope", "0\n");
  EXPECT_TRUE(says(access(1000).meaning, "PR_SET_DUMPABLE"));
  EXPECT_TRUE(access(1000).unseen);
}

}  // namespace
}  // namespace ashlar_command
