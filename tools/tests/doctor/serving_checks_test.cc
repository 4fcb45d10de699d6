// What the objects of a process and their bindings are taken to mean.
#include "doctor/serving_checks.h"

#include <gtest/gtest.h>

#include "doctor/binding_checks.h"
#include "fake_tree.h"
#include "findings_support.h"

namespace ashlar_command {
namespace {

LoadedObject ashlar(const std::string& path = "/opt/libashlar.so.1") {
  LoadedObject result = object(path);
  result.elf.soname = "libashlar.so.1";
  result.elf.ashlar_version = "0.1.0";
  result.elf.defines["malloc"] = 0x100;
  return result;
}

/// A program, Ashlar, a plugin and libc: 0, 1, 2, 3.
class ServingTest : public ::testing::Test {
 protected:
  ServingTest() {
    image_.objects = {object("/bin/program"), ashlar(), object("/lib/plugin.so"),
                      object("/lib/libc.so.6", {})};
    image_.objects[3].elf.defines["malloc"] = 0x200;
    image_.bindings_known = true;
    bind("malloc", 0, 1);
    bind("malloc", 3, 1);
  }
  void bind(const std::string& symbol, std::size_t importer, std::size_t target) {
    image_.bindings.push_back({symbol, importer, target});
  }
  Evidence evidence() { return {process_, image_, fake_.tree(), answer_, false}; }

  FakeTree fake_;
  ProcessFacts process_;
  Image image_;
  std::optional<Answer> answer_;
};

TEST_F(ServingTest, LoadedByThePreload) {
  process_.environment["LD_PRELOAD"] = "/x.so:/opt/libashlar.so.1";
  EXPECT_EQ(only(check_loaded(evidence())).found, "Ashlar 0.1.0, /opt/libashlar.so.1, by LD_PRELOAD");
  process_.secure = true;
  EXPECT_EQ(only(check_loaded(evidence())).found,
            "Ashlar 0.1.0, /opt/libashlar.so.1, preloaded: it stands before libc")
      << "then LD_PRELOAD did not do it";
}

TEST_F(ServingTest, LoadedUnderAnotherNameByThePreload) {
  fake_.put("/opt/libashlar.so.1", "x");
  std::filesystem::create_symlink("libashlar.so.1", fake_.tree().real("/opt/fast.so"));
  process_.environment["LD_PRELOAD"] = "/opt/fast.so";
  EXPECT_TRUE(says(only(check_loaded(evidence())), "by LD_PRELOAD"));
}

TEST_F(ServingTest, LoadedByTheSystemsPreload) {
  fake_.put("/etc/ld.so.preload", "/y.so\n/opt/libashlar.so.1\n");
  EXPECT_TRUE(says(only(check_loaded(evidence())), "by /etc/ld.so.preload"));
}

TEST_F(ServingTest, LoadedBecauseSomebodyNeedsIt) {
  image_.objects[2].elf.needed.push_back("libashlar.so.1");
  EXPECT_TRUE(says(only(check_loaded(evidence())), "linked: plugin.so needs it"));
}

TEST_F(ServingTest, LinkedIntoTheProgram) {
  image_.objects[0].elf.ashlar_version = "0.1.0";
  image_.objects.erase(image_.objects.begin() + 1);
  EXPECT_EQ(only(check_loaded(evidence())).found, "Ashlar 0.1.0, linked into the program (libashlar.a)");
}

// A program that has written its title over its environment.
TEST_F(ServingTest, LoadedBeforeLibcByWhatIsNoLongerToBeRead) {
  process_.environment.clear();
  EXPECT_EQ(only(check_loaded(evidence())).severity, Severity::kOk);
  image_.bindings_known = false;  // then the order says nothing
  EXPECT_EQ(only(check_loaded(evidence())).severity, Severity::kProblem);
}

TEST_F(ServingTest, ReplacedSinceTheStart) {
  image_.objects.erase(image_.objects.begin() + 1);
  process_.environment["LD_PRELOAD"] = "/opt/libashlar.so.1";
  process_.maps = "7f0000000000-7f0000001000 r-xp 00000000 08:01 42 /opt/libashlar.so.1 (deleted)\n";
  const Finding finding = only(check_loaded(evidence()));
  EXPECT_EQ(finding.severity, Severity::kWarning);
  EXPECT_TRUE(says(finding, "replaced or removed")) << finding.meaning;
}

TEST_F(ServingTest, LoadedLateByDlopen) {
  std::swap(image_.objects[1], image_.objects[3]);
  const Finding finding = only(check_loaded(evidence()));
  EXPECT_EQ(finding.severity, Severity::kProblem);
  EXPECT_TRUE(says(finding, "by dlopen"));
}

TEST_F(ServingTest, TwoOfThem) {
  image_.objects.push_back(ashlar("/usr/lib/libashlar.so.1"));
  process_.environment["LD_PRELOAD"] = "/opt/libashlar.so.1";
  const Findings findings = check_loaded(evidence());
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[1].severity, Severity::kWarning);
  EXPECT_TRUE(says(findings[1], "/usr/lib/libashlar.so.1"));
}

TEST_F(ServingTest, NotLoadedAndWhy) {
  image_.objects.erase(image_.objects.begin() + 1);
  EXPECT_TRUE(says(only(check_loaded(evidence())), "Neither LD_PRELOAD"));
  process_.environment["LD_PRELOAD"] = "/opt/libashlar.so.1";
  EXPECT_TRUE(says(only(check_loaded(evidence())), "which is not there"));
  EXPECT_EQ(only(check_loaded(evidence())).remedy, "See `LD_PRELOAD`.");
  fake_.put("/opt/libashlar.so.1", "x");
  EXPECT_TRUE(says(only(check_loaded(evidence())), "did not take it"));
  EXPECT_TRUE(says(only(check_loaded(evidence())), "ashlar doctor --as-is -- PROGRAM"));
  Evidence started = evidence();
  started.started_here = true;
  EXPECT_EQ(only(check_loaded(started)).remedy, "See `messages`: the loader's words.");
  process_.secure = true;
  EXPECT_TRUE(says(only(check_loaded(evidence())), "more rights than its caller"));
  image_.objects = {object("/bin/program", {})};
  EXPECT_TRUE(says(only(check_loaded(evidence())), "statically linked"));
  EXPECT_TRUE(check_bindings(evidence()).empty()) << "all calls go past an Ashlar that is not there";
}

TEST_F(ServingTest, TheLibrarysAnswerDecides) {
  answer_ = Answer{Verdict::kServing, "0.1.0", {}};
  EXPECT_EQ(only(check_serving(evidence())).severity, Severity::kOk);
  answer_ = Answer{Verdict::kNotServing, "free /lib/x.so", {}};
  EXPECT_EQ(only(check_serving(evidence())).severity, Severity::kProblem);
  EXPECT_TRUE(says(only(check_serving(evidence())), "free /lib/x.so"));
  answer_ = Answer{Verdict::kSilent, "the library did not answer", {}};
  EXPECT_EQ(only(check_serving(evidence())).severity, Severity::kProblem);
}

TEST_F(ServingTest, WithoutAnAnswerTheBindingsDecide) {
  EXPECT_TRUE(says(only(check_serving(evidence())), "2 of 2 bound calls"));
  bind("free", 2, 3);
  EXPECT_TRUE(says(only(check_serving(evidence())), "2 of 3 bound calls"));
  image_.bindings = {{"malloc", 0, 3}};
  EXPECT_EQ(only(check_serving(evidence())).severity, Severity::kProblem);
  image_.bindings_known = false;
  EXPECT_EQ(only(check_serving(evidence())).severity, Severity::kNote);
}

// The remedy names a finding that is there.
TEST_F(ServingTest, WhyNobodySeesWhoServes) {
  image_.bindings_known = false;
  EXPECT_TRUE(says(only(check_serving(evidence())), "ashlar run --verbose"));
  Evidence unreadable = evidence();
  unreadable.readable = false;
  EXPECT_TRUE(says(only(check_serving(unreadable)), "See `process`"));
  process_.maps =
      "400000-401000 r-xp 00000000 08:01 42 /usr/libexec/valgrind/vgpreload_core-amd64-linux.so\n";
  const Finding finding = only(check_serving(evidence()));
  EXPECT_TRUE(says(finding, "inside valgrind's process"));
  EXPECT_TRUE(says(finding, "See `valgrind`"));
}

TEST_F(ServingTest, AllBoundToAshlar) {
  bind("_Znwm", 2, 1);
  bind("malloc", 1, 1);  // Ashlar's own: not counted
  const Finding finding = only(check_bindings(evidence()));
  EXPECT_EQ(finding.severity, Severity::kOk);
  EXPECT_TRUE(says(finding, "malloc → libashlar.so.1 (2 objects)")) << finding.found;
  EXPECT_TRUE(says(finding, "operator new → libashlar.so.1 (1 object)")) << finding.found;
}

TEST_F(ServingTest, BoundToLibcBehindAshlar) {
  bind("malloc", 2, 3);
  bind("free", 2, 3);
  const Finding finding = only(check_bindings(evidence()));
  EXPECT_EQ(finding.severity, Severity::kProblem);
  EXPECT_EQ(finding.found, "plugin.so: free, malloc go to libc.so.6, not to Ashlar");
  EXPECT_TRUE(says(finding, "RTLD_DEEPBIND"));
}

TEST_F(ServingTest, BoundToTheProgramsOwnMalloc) {
  bind("malloc", 2, 0);
  EXPECT_EQ(only(check_bindings(evidence())).severity, Severity::kProblem);
  EXPECT_TRUE(says(only(check_bindings(evidence())), "comes before Ashlar"));
  answer_ = Answer{Verdict::kServing, "0.1.0", {}};
  EXPECT_EQ(only(check_bindings(evidence())).severity, Severity::kNote) << "it hands on";
}

TEST_F(ServingTest, BoundToItself) {
  image_.objects[2].elf.symbolic = true;
  bind("malloc", 2, 2);
  const Finding finding = only(check_bindings(evidence()));
  EXPECT_EQ(finding.severity, Severity::kWarning);
  EXPECT_TRUE(says(finding, "DT_SYMBOLIC"));
}

TEST_F(ServingTest, OperatorsElsewhereAreANote) {
  image_.objects.push_back(object("/lib/libstdc++.so.6"));
  bind("_Znwm", 2, 4);
  const Finding finding = only(check_bindings(evidence()));
  EXPECT_EQ(finding.severity, Severity::kNote);
  EXPECT_TRUE(says(finding, "operator new go to libstdc++.so.6")) << finding.found;
}

TEST_F(ServingTest, OverloadsOfAnOperatorAreOneName) {
  image_.objects.push_back(object("/lib/libstdc++.so.6"));
  for (const char* const symbol : {"_ZdaPv", "_ZdaPvm", "_ZdaPvSt11align_val_t", "_ZdlPv", "_ZdlPvm"})
    bind(symbol, 2, 4);
  EXPECT_EQ(only(check_bindings(evidence())).found,
            "plugin.so: operator delete, operator delete[] go to libstdc++.so.6");
}

TEST_F(ServingTest, BoundWhere) {
  EXPECT_EQ(bound_where(image_, "malloc"), "libashlar.so.1 (2 objects)");
  image_.objects[1].elf.defines["pvalloc"] = 1;
  EXPECT_EQ(bound_where(image_, "pvalloc"), "libashlar.so.1 (nobody calls it yet)");
  EXPECT_EQ(bound_where(image_, "cfree"), "nowhere");
}

}  // namespace
}  // namespace ashlar_command
