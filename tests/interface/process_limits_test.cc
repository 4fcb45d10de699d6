// traps.md 27-30, 35, 37: a process under limits that the kernel enforces, with the library preloaded: a
// limit on addresses or data from the start or set later, locked memory, a full table of mappings, system
// calls that a filter refuses, strict commit, a cgroup. Each case is a run of limits_victim.
//
// What needs a sysctl or a cgroup runs where ASHLAR_TEST_SYSCTL=1, and puts it back.
#include "child.h"
#include "support.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

namespace interface_test {
namespace {

constexpr int kSeconds = 240;  // far more than any of these takes

ChildResult run_victim(const std::vector<std::string>& arguments,
                       const std::vector<std::string>& environment = {}) {
  std::vector<std::string> all = {ASHLAR_LIMITS_VICTIM};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return run_child(all, environment, kSeconds);
}

#define EXPECT_GOES_ON(run)                                                   \
  do {                                                                        \
    const ChildResult result = (run);                                         \
    if (result.status == 77) GTEST_SKIP() << result.err;                      \
    EXPECT_FALSE(result.hung);                                                \
    EXPECT_EQ(result.signal, 0) << result.err;                                \
    EXPECT_EQ(result.status, 0) << result.out << result.err;                  \
    EXPECT_NE(result.out.find("went on\n"), std::string::npos) << result.out; \
  } while (false)

// 27, 37. ENOMEM when nothing is left, and everything can be had again; threads can be made.
TEST(AddressLimit, AtTheStart) { EXPECT_GOES_ON(run_victim({"as_start"})); }
TEST(AddressLimit, SetByTheProgram) { EXPECT_GOES_ON(run_victim({"as_later"})); }
TEST(AddressLimit, ThatCannotBeReadAgain) { EXPECT_GOES_ON(run_victim({"as_unreadable"})); }
TEST(DataLimit, AtTheStart) { EXPECT_GOES_ON(run_victim({"data_start"})); }
TEST(DataLimit, SetByTheProgram) { EXPECT_GOES_ON(run_victim({"data_later"})); }

// 29.
TEST(LockedMemory, WithPrivilege) { EXPECT_GOES_ON(run_victim({"mlock"})); }

TEST(LockedMemory, OfADaemonThatGivesItsPrivilegeUp) { EXPECT_GOES_ON(run_victim({"mlock_daemon"})); }

// Without, mlockall(MCL_CURRENT) compares all addresses with RLIMIT_MEMLOCK: the option makes them few.
TEST(LockedMemory, WithoutPrivilegeASmallWindowFitsIntoTheLimit) {
  EXPECT_GOES_ON(run_victim({"mlock_unprivileged", "256"}, {"ASHLAR_CONF=window:64m"}));
}

// And the documented failure beside a large window.
TEST(LockedMemory, WithoutPrivilegeTheDefaultWindowDoesNot) {
  const ChildResult result = run_victim({"mlock_unprivileged", "256"});
  if (result.status == 77) GTEST_SKIP() << result.err;
  EXPECT_EQ(result.status, 3) << result.out << result.err;
  EXPECT_NE(result.out.find("Cannot allocate memory"), std::string::npos) << result.out;
}

// 30.
TEST(Mappings, AllButTwentyAreUsed) { EXPECT_GOES_ON(run_victim({"mappings", "20"})); }

// 35. Refused after the heap has started, and before.
class Refused : public testing::TestWithParam<const char*> {};
TEST_P(Refused, LaterItGoesOn) { EXPECT_GOES_ON(run_victim({"seccomp", GetParam()})); }
class RefusedFromTheStart : public testing::TestWithParam<const char*> {};
TEST_P(RefusedFromTheStart, ItStarts) { EXPECT_GOES_ON(run_victim({"seccomp_start", GetParam()})); }

const auto kNameOf = [](const auto& one) { return std::string(one.param); };
INSTANTIATE_TEST_SUITE_P(Each, Refused,
                         testing::Values("membarrier", "getrandom", "process_madvise", "mincore", "mremap",
                                         "madvise", "munmap", "prlimit64", "openat", "sched_yield", "brk",
                                         "mprotect"),
                         kNameOf);
// Without openat and mprotect no program is loaded.
INSTANTIATE_TEST_SUITE_P(Each, RefusedFromTheStart,
                         testing::Values("membarrier", "getrandom", "process_madvise", "mincore", "mremap",
                                         "madvise", "prlimit64", "sched_yield"),
                         kNameOf);

// A filter that kills the process at any call but those that every malloc makes.
TEST(Sandbox, TheHeapMakesNoRareCallOnceItHasStarted) { EXPECT_GOES_ON(run_victim({"sandbox"})); }

bool may_change_the_system() {
  const char* const asked = std::getenv("ASHLAR_TEST_SYSCTL");
  return asked != nullptr && std::string(asked) == "1";
}

std::string read_file(const std::string& path) {
  char text[256] = "";
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const ssize_t got = file < 0 ? -1 : read(file, text, sizeof text - 1);
  if (file >= 0) close(file);
  return got > 0 ? std::string(text, static_cast<size_t>(got)) : std::string();
}

bool write_file(const std::string& path, const std::string& text) {
  const int file = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  const bool written =
      file >= 0 && write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (file >= 0) close(file);
  return written;
}

// A file of /proc/sys with another value until the end of the scope.
class Sysctl {
 public:
  Sysctl(std::string path, const std::string& value) : path_(std::move(path)), before_(read_file(path_)) {
    changed_ = !before_.empty() && write_file(path_, value);
  }
  ~Sysctl() {
    if (changed_ && !write_file(path_, before_)) {
      ADD_FAILURE() << path_ << " is not restored to " << before_;
    }
  }
  Sysctl(const Sysctl&) = delete;
  Sysctl& operator=(const Sysctl&) = delete;
  bool changed() const { return changed_; }

 private:
  std::string path_;
  std::string before_;
  bool changed_;
};

// 28.
TEST(StrictCommit, EveryPathWorks) {
  if (!may_change_the_system()) GTEST_SKIP() << "set ASHLAR_TEST_SYSCTL=1 to change vm.overcommit_memory";
  const Sysctl strict("/proc/sys/vm/overcommit_memory", "2");
  if (!strict.changed()) GTEST_SKIP() << "vm.overcommit_memory can't be set here";
  EXPECT_GOES_ON(run_victim({"plain"}));
  EXPECT_GOES_ON(run_victim({"as_later"}));
}

// 38. A cgroup of version 1 or 2 of our own, with 128 MiB.
TEST(CgroupLimit, DefaultsScaleToIt) {
  if (!may_change_the_system()) GTEST_SKIP() << "set ASHLAR_TEST_SYSCTL=1 to make a cgroup";
  const bool second = access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
  const std::string group = second ? "/sys/fs/cgroup/ashlar-test" : "/sys/fs/cgroup/memory/ashlar-test";
  if (mkdir(group.c_str(), 0755) != 0) GTEST_SKIP() << group << " can't be made here";
  const std::string file = group + (second ? "/memory.max" : "/memory.limit_in_bytes");
  const bool limited = write_file(file, "134217728");
  const std::string enter = "echo $$ > " + group + "/cgroup.procs && exec \"$@\"";
  const ChildResult child = run_child({"/bin/sh", "-c", enter, "sh", ASHLAR_LIMITS_VICTIM, "plain"},
                                      {"ASHLAR_CONF=stats_at_exit:json"}, kSeconds);
  rmdir(group.c_str());
  if (!limited) GTEST_SKIP() << file << " can't be set here";
  EXPECT_GOES_ON(child);
  EXPECT_NE(child.err.find("\"window_reserved\":1073741824"), std::string::npos)
      << "not 1 GiB, the least: " << child.err.substr(0, 2000);
}

}  // namespace
}  // namespace interface_test
