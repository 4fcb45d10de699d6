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
  EXPECT_NE(bad[2].remedy.find("from 0 B to 16 MiB"), std::string::npos) << bad[2].remedy;
}

TEST(Conf, WhatWasMeantByASlip) {
  const auto remedy = [](const char* conf) {
    return check_conf({{"ASHLAR_CONF", conf}}, false).at(0).remedy;
  };
  EXPECT_EQ(remedy("purge_flor:8m"), "Write purge_floor:8m.");
  EXPECT_EQ(remedy("purge_floor=8m"),
            "Write purge_floor:8m, with a colon between key and value and a comma between pairs.");
  EXPECT_TRUE(remedy("hole_purges").starts_with("Did you mean hole_purge? The options are window "));
  EXPECT_TRUE(remedy("nothing_alike:1").starts_with("The options are window "));
  EXPECT_EQ(remedy("purge_share:0"), "purge_share is a number from 1 to 1024.");
  EXPECT_NE(remedy("window:large").find("from 4 MiB to 2 TiB, or auto"), std::string::npos);
  EXPECT_NE(remedy("purge_floor:8MiB").find("(purge_floor:8m)"), std::string::npos);
}

TEST(BuiltInConf, WhatItSetsAndWhatIsSetAgain) {
  Image image;
  image.objects.emplace_back();
  image.objects[0].path = "/bin/program";
  ProcessFacts process;
  EXPECT_TRUE(check_built_in_conf(image, process).empty());
  image.conf = BuiltInConf{0, true, "purge_share:9,window:auto,bad"};
  process.environment["ASHLAR_CONF"] = "purge_share:7";
  const Findings findings = check_built_in_conf(image, process);
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[0].severity, Severity::kWarning);
  EXPECT_EQ(findings[0].found, "unknown option in 'bad'");
  EXPECT_EQ(findings[1].found, "\"purge_share:9,window:auto,bad\" in program");
  EXPECT_EQ(
      findings[1].meaning,
      "The program brings these options: window auto, purge_share 9. ASHLAR_CONF comes after it and sets "
      "purge_share again.");
  process.secure = true;
  EXPECT_EQ(check_built_in_conf(image, process)[1].meaning.find("ASHLAR_CONF"), std::string::npos)
      << "not read then";
  image.conf->seen = false;
  EXPECT_EQ(check_built_in_conf(image, process).at(0).severity, Severity::kWarning);
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
