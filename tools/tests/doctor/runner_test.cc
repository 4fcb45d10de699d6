// Which process is `ashlar run`, and what it runs, from made-up files of /proc.
#include "doctor/runner.h"

#include <gtest/gtest.h>

#include "fake_tree.h"

namespace ashlar_command {
namespace {

using std::string_literals::operator""s;
using Pids = std::vector<pid_t>;

class RunnerTest : public ::testing::Test {
 protected:
  void process(pid_t pid, pid_t parent, const std::string& name, const std::string& words) {
    const std::string directory = "/proc/" + std::to_string(pid);
    fake_.put(directory + "/comm", name + "\n");
    fake_.put(directory + "/cmdline", words);
    fake_.put(directory + "/status", "Name:\t" + name + "\nPPid:\t" + std::to_string(parent) + "\n");
  }

  FakeTree fake_;
};

TEST_F(RunnerTest, TheChildrenOfRun) {
  process(7, 1, "ashlar", "/usr/bin/ashlar\0run\0--\0redis-server\0"s);
  EXPECT_EQ(run_children(fake_.tree(), 7), std::optional(Pids{})) << "not begun, or ended";
  process(12, 7, "redis-server", "redis-server\0"s);
  process(9, 7, "other", "other\0"s);
  process(13, 12, "grandchild", "x\0"s);
  process(77, 1, "stranger", "x\0"s);
  fake_.put("/proc/self/status", "PPid:\t7\n");
  EXPECT_EQ(run_children(fake_.tree(), 7), std::optional(Pids{9, 12}));
}

TEST_F(RunnerTest, OtherProcessesAreNone) {
  process(7, 1, "ashlar", "ashlar\0doctor\0--pid\0007\0"s);
  EXPECT_EQ(run_children(fake_.tree(), 7), std::nullopt);
  process(7, 1, "ashlar", "ashlar\0"s);
  EXPECT_EQ(run_children(fake_.tree(), 7), std::nullopt);
  process(7, 1, "npm", "npm\0run\0test\0"s);
  EXPECT_EQ(run_children(fake_.tree(), 7), std::nullopt);
  EXPECT_EQ(run_children(fake_.tree(), 8), std::nullopt) << "no such process";
}

TEST_F(RunnerTest, WordsOfTheCommandLine) {
  process(7, 1, "x", "a\0\0b c\0"s);
  EXPECT_EQ(command_line(fake_.tree(), 7), (std::vector<std::string>{"a", "", "b c"}));
  EXPECT_TRUE(command_line(fake_.tree(), 8).empty());
}

}  // namespace
}  // namespace ashlar_command
