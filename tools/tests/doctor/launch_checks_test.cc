// What is said of a program before it is started.
#include "doctor/launch_checks.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "findings_support.h"

namespace ashlar_command {
namespace {

TEST(Valgrind, ToolsThatBringAMalloc) {
  const Finding finding = only(check_valgrind("/usr/bin/valgrind", {"valgrind", "./p", "--tool=none"}, ""));
  EXPECT_EQ(finding.severity, Severity::kProblem);
  EXPECT_TRUE(says(finding, "valgrind (tool memcheck)")) << "what stands behind the program is the program's";
  EXPECT_TRUE(says(only(check_valgrind("valgrind.bin", {"v", "-q", "--tool=massif", "p"}, "")), "massif"));
}

TEST(Valgrind, ToolsThatLeaveMallocAlone) {
  for (const char* const tool : {"callgrind", "cachegrind", "lackey", "none"}) {
    const Finding finding =
        only(check_valgrind("/usr/bin/valgrind", {"valgrind", std::string("--tool=") + tool, "p"}, ""));
    EXPECT_EQ(finding.severity, Severity::kNote) << tool;
    EXPECT_TRUE(says(finding, tool));
  }
}

TEST(Valgrind, ToolsThatAreToldToLeaveMallocAlone) {
  const char* const told = "--soname-synonyms=somalloc=nouserintercepts";
  EXPECT_EQ(only(check_valgrind("valgrind", {"valgrind", told, "p"}, "")).severity, Severity::kNote);
  EXPECT_EQ(only(check_valgrind("valgrind", {"valgrind", "p"}, told)).severity, Severity::kNote);
  EXPECT_EQ(only(check_valgrind("valgrind", {"valgrind", "p", told}, "")).severity, Severity::kProblem);
}

TEST(Valgrind, ItsVariableSetsToolsThatTheCommandLineMaySetAgain) {
  EXPECT_TRUE(says(only(check_valgrind("valgrind", {"valgrind", "p"}, "-q --tool=callgrind")), "callgrind"));
  EXPECT_TRUE(
      says(only(check_valgrind("valgrind", {"valgrind", "--tool=drd", "p"}, "--tool=callgrind")), "drd"));
}

TEST(Valgrind, OtherProgramsAreNone) {
  EXPECT_TRUE(check_valgrind("/usr/bin/valgrind-listener", {"valgrind-listener"}, "").empty());
  EXPECT_TRUE(check_valgrind("/usr/bin/env", {"env", "valgrind", "p"}, "").empty());
}

TEST(Rights, OfOthersThanTheCaller) {
  const Caller root{0, 0, false};
  const Finding finding = only(check_rights({S_IFREG | S_ISUID | 0755, 0, 0, false, false}, root));
  EXPECT_EQ(finding.severity, Severity::kNote);
  EXPECT_TRUE(says(finding, "set-user-ID to user 0"));
  EXPECT_TRUE(says(finding, "For other users"));
  EXPECT_TRUE(says(only(check_rights({S_IFREG | S_ISGID | 0755, 0, 0, false, false}, root)), "set-group-ID"));
  EXPECT_TRUE(says(only(check_rights({S_IFREG | 0755, 0, 0, true, false}, root)), "capabilities"));
  const Caller bound{1000, 1000, true};
  EXPECT_TRUE(says(only(check_rights({S_IFREG | S_ISUID | 0755, 0, 0, false, false}, bound)), "set-user-ID"));
}

TEST(Rights, NothingToSay) {
  const Caller user{1000, 1000, false};
  EXPECT_TRUE(check_rights({S_IFREG | 0755, 0, 0, false, false}, user).empty());
  EXPECT_TRUE(check_rights({S_IFREG | S_ISUID | 0755, 0, 0, false, true}, user).empty()) << "a nosuid mount";
  EXPECT_TRUE(check_rights({S_IFREG | S_ISUID | 0755, 0, 0, false, false}, user).empty())
      << "that is an obstacle, which check_obstacle names";
}

TEST(Replaced, WhereTheOtherIsAndIsNot) {
  EXPECT_TRUE(check_replaced({"/x/libashlar.so.1", {}}, "/x/libashlar.so.1").empty());
  const Finding gone = only(check_replaced({"", {"/nonexistent/libashlar.so.1"}}, "/x/libashlar.so.1"));
  EXPECT_EQ(gone.severity, Severity::kWarning);
  EXPECT_TRUE(says(gone, "which is not there"));
  EXPECT_TRUE(says(gone, "runs without Ashlar"));
  const Finding searched = only(check_replaced({"", {"libashlar.so.1"}}, "/x/libashlar.so.1"));
  EXPECT_EQ(searched.severity, Severity::kNote);
  EXPECT_TRUE(says(searched, "which the dynamic loader searches for"));
}

TEST(Wrapper, IsNamedWithItsScript) {
  Program program;
  program.chain = {{"/opt/tool", {}}, {"/bin/sh", {}}};
  EXPECT_TRUE(says(only(check_wrapper(program)), "/bin/sh, which runs the script /opt/tool"));
  program.chain = {{"/usr/bin/nice", {}}};
  EXPECT_TRUE(says(only(check_wrapper(program)), "/usr/bin/nice, which runs whatever it is told"));
  program.chain = {{"/usr/bin/perl", {}}};
  EXPECT_TRUE(check_wrapper(program).empty());
}

}  // namespace
}  // namespace ashlar_command
