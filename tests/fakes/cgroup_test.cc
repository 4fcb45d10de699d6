// What a process may have: RAM, or the limit of its cgroup or one above, version 2 and 1 (traps.md 38).
#include "base/types.h"
#include "fakes/faulty_sys.h"
#include "os/system.h"
#include "support/support.h"

namespace ashlar::os {
namespace {

constexpr const char* kUnlimited = "max\n";

// A machine of 64 GiB.
class Cgroup : public ::testing::Test {
 protected:
  void SetUp() override {
    fakes::reset();
    fakes::set_file("/proc/meminfo", "MemTotal:       67108864 kB\nMemFree:  1 kB\n");
  }
};

TEST_F(Cgroup, NoneIsTheRam) {
  fakes::set_file("/proc/self/cgroup", "0::/\n");
  EXPECT_EQ(memory_size(), 64 * 1024 * kMiB);
}

TEST_F(Cgroup, TheProcessesOwn) {
  fakes::set_file("/proc/self/cgroup", "0::/system.slice/server.service\n");
  fakes::set_file("/sys/fs/cgroup/system.slice/server.service/memory.max", "536870912\n");
  fakes::set_file("/sys/fs/cgroup/system.slice/memory.max", kUnlimited);
  EXPECT_EQ(memory_size(), 512 * kMiB);
}

TEST_F(Cgroup, TheLowestAboveCounts) {
  fakes::set_file("/proc/self/cgroup", "0::/a/b/c\n");
  fakes::set_file("/sys/fs/cgroup/a/b/c/memory.max", "4294967296\n");
  fakes::set_file("/sys/fs/cgroup/a/b/memory.max", "1073741824\n");
  fakes::set_file("/sys/fs/cgroup/a/memory.max", "2147483648\n");
  EXPECT_EQ(memory_size(), 1024 * kMiB);
}

// Within a container the path may be one of the host's; the root is the container's.
TEST_F(Cgroup, AContainersRoot) {
  fakes::set_file("/proc/self/cgroup", "0::/docker/0123456789abcdef\n");
  fakes::set_file("/sys/fs/cgroup/memory.max", "268435456\n");
  EXPECT_EQ(memory_size(), 256 * kMiB);
}

TEST_F(Cgroup, VersionOne) {
  fakes::set_file("/proc/self/cgroup", "9:name=systemd:/\n4:memory:/group/x\n3:cpuset:/\n0::/\n");
  fakes::set_file("/sys/fs/cgroup/memory/group/x/memory.limit_in_bytes", "134217728\n");
  fakes::set_file("/sys/fs/cgroup/memory/group/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(memory_size(), 128 * kMiB);
}

// A dozen hierarchies, each with the long path of a pod: the line of memory may stand behind all of them.
TEST_F(Cgroup, VersionOneInAContainer) {
  const std::string pod = "/kubepods/burstable/pod" + std::string(36, 'a') + "/" + std::string(64, 'b');
  std::string text;
  for (const char* const name : {"perf_event", "net_cls,net_prio", "devices", "freezer", "blkio", "hugetlb",
                                 "pids", "rdma", "cpu,cpuacct", "cpuset", "name=systemd", "memory"}) {
    text += "9:" + std::string(name) + ":" + pod + "\n";
  }
  ASSERT_GT(text.size(), 1500u);
  fakes::set_file("/proc/self/cgroup", text.c_str());
  fakes::set_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n");
  EXPECT_EQ(memory_size(), 512 * kMiB);
}

TEST_F(Cgroup, OddFilesAreNoLimit) {
  for (const char* const text : {"", "\n", "0::", "0::/a", ":::::", "no colon at all\n", "4:memory\n"}) {
    fakes::set_file("/proc/self/cgroup", text);
    EXPECT_EQ(memory_size(), 64 * 1024 * kMiB) << "'" << text << "'";
  }
  const std::string deep = "0::/" + std::string(900, 'd') + "/e\n";
  fakes::set_file("/proc/self/cgroup", deep.c_str());
  EXPECT_EQ(memory_size(), 64 * 1024 * kMiB);
}

}  // namespace
}  // namespace ashlar::os
