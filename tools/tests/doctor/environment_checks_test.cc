// ASHLAR_CONF, settings of others, LD_PRELOAD.
#include "doctor/environment_checks.h"

#include <gtest/gtest.h>

#include "fake_tree.h"

namespace ashlar_command {
namespace {

TEST(Conf, UnsetAndUnderstood) {
  EXPECT_EQ(check_conf({{"HOME", "/"}}, false).at(0).severity, Severity::kOk);
  EXPECT_EQ(check_conf({}, false).at(0).severity, Severity::kNote) << "overwritten by the process's title";
  const Findings good = check_conf({{"ASHLAR_CONF", "purge_floor:8m,foreign:abort"}}, false);
  ASSERT_EQ(good.size(), 1u);
  EXPECT_EQ(good[0].severity, Severity::kOk);
}

TEST(Conf, EachBadPieceIsNamedWithWhatWouldBeRight) {
  const Findings bad =
      check_conf({{"ASHLAR_CONF", "nonsense:1,purge_floor:8m,foreign:maybe,bin_bytes:99g"}}, false);
  ASSERT_EQ(bad.size(), 3u);
  EXPECT_EQ(bad[0].severity, Severity::kWarning);
  EXPECT_EQ(bad[0].found, "unknown option in 'nonsense:1'");
  EXPECT_NE(bad[0].remedy.find("purge_floor"), std::string::npos);
  EXPECT_EQ(bad[1].found, "bad value in 'foreign:maybe'");
  EXPECT_NE(bad[1].remedy.find("ignore|abort"), std::string::npos);
  EXPECT_EQ(bad[2].found, "value out of range in 'bin_bytes:99g'");
  EXPECT_NE(bad[2].remedy.find("16777216"), std::string::npos);
}

TEST(Conf, IsNotReadInSecureExecution) {
  const Findings findings = check_conf({{"ASHLAR_CONF", "nonsense:1"}}, true);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].severity, Severity::kNote);
}

TEST(Leftovers, EachIsNamedAndTheRestIsNot) {
  const Findings findings = check_leftovers({{"MALLOC_ARENA_MAX", "2"},
                                             {"MALLOC_ARENA_MAXIMUM", "2"},
                                             {"MIMALLOC_PURGE_DELAY", "0"},
                                             {"MALLOC_CONF", "narenas:1"},
                                             {"PATH", "/bin"}});
  ASSERT_EQ(findings.size(), 3u);
  EXPECT_EQ(findings[0].found, "MALLOC_ARENA_MAX=2");
  EXPECT_EQ(findings[1].found, "MALLOC_CONF=narenas:1");
  EXPECT_EQ(findings[2].found, "MIMALLOC_PURGE_DELAY=0");
  for (const Finding& finding : findings)
    EXPECT_EQ(finding.severity, Severity::kNote);
  EXPECT_EQ(check_leftovers({}).at(0).severity, Severity::kOk);
}

TEST(Leftovers, OfTheTunablesOnlyMallocs) {
  const Findings findings = check_leftovers(
      {{"GLIBC_TUNABLES",
        "glibc.malloc.arena_max=1:glibc.rtld.optional_static_tls=2048:glibc.malloc.check=3"}});
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].found, "GLIBC_TUNABLES: glibc.malloc.arena_max=1 glibc.malloc.check=3");
  EXPECT_EQ(check_leftovers({{"GLIBC_TUNABLES", "glibc.rtld.nns=4"}}).at(0).severity, Severity::kOk);
}

TEST(Preload, EntriesThatNameNoFile) {
  FakeTree fake;
  fake.put("/opt/there.so", "x");
  const Findings findings = check_preload(
      {{"LD_PRELOAD", "/opt/there.so:/opt/gone.so /opt/libashlar.so.1 plain.so:/opt/$LIB/x.so"}},
      fake.tree());
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[0].found, "names /opt/gone.so, which is not there");
  EXPECT_EQ(findings[0].severity, Severity::kWarning);
  EXPECT_EQ(findings[1].found, "names /opt/libashlar.so.1, which is not there");
  EXPECT_EQ(findings[1].severity, Severity::kProblem) << "without it Ashlar does not serve";
  EXPECT_TRUE(check_preload({}, fake.tree()).empty());
}

}  // namespace
}  // namespace ashlar_command
