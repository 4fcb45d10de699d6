// traps.md 36: a program with more rights than its caller does not listen to ASHLAR_CONF.
#include "child.h"
#include "support.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace interface_test {
namespace {

constexpr const char* kUser = "65534";

// A copy of the victim with these mode bits, in a folder that everybody may enter.
class Copy {
 public:
  explicit Copy(mode_t mode) {
    char folder[] = "/tmp/ashlar-setuid-XXXXXX";
    if (mkdtemp(folder) == nullptr) return;
    folder_ = folder;
    chmod(folder, 0755);
    std::filesystem::copy_file(ASHLAR_SETUID_VICTIM, path());
    made_ = chmod(path().c_str(), mode) == 0;
  }
  ~Copy() { std::filesystem::remove_all(folder_); }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;
  std::string path() const { return folder_ + "/victim"; }
  bool made() const { return made_; }

 private:
  std::string folder_;
  bool made_ = false;
};

// Runs the copy as an ordinary user, with a report asked for in the environment.
ChildResult run_as_user(const std::string& program) {
  return run_child({ASHLAR_SETUID_VICTIM, kUser, program},
                   {"LD_PRELOAD=", "ASHLAR_CONF=options_at_exit:text,purge_floor:8m"}, 60);
}

TEST(SecureExecution, IgnoresTheEnvironment) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to make a program set-user-ID root";
  const Copy plain(0755);
  const Copy setuid(04755);
  ASSERT_TRUE(plain.made() && setuid.made());
  const ChildResult heard = run_as_user(plain.path());
  if (heard.status == 77) GTEST_SKIP() << "no other user to be had here";
  EXPECT_EQ(heard.out, "user 65534, effective 65534\n") << heard.err;
  EXPECT_NE(heard.err.find("purge_floor"), std::string::npos) << heard.err;
  const ChildResult ignored = run_as_user(setuid.path());
  if (ignored.out == heard.out) GTEST_SKIP() << "set-user-ID has no effect here (nosuid)";
  EXPECT_EQ(ignored.out, "user 65534, effective 0\n") << ignored.err;
  EXPECT_EQ(ignored.status, 0);
  EXPECT_EQ(ignored.err, "");
}

}  // namespace
}  // namespace interface_test
