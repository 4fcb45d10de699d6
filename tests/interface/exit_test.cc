// traps.md 21: frees from atexit, static and thread-local destructors and __libc_freeres work: nothing of
// the allocator has been torn down. And statistics at exit come only when asked for.
#include "child.h"
#include "support.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>

namespace interface_test {
namespace {

class Exit : public testing::TestWithParam<const char*> {};

TEST_P(Exit, FreesInEveryHook) {
  for (int round = 0; round < (kEmulated ? 5 : 20); ++round) {
    const ChildResult result = run_child({ASHLAR_EXIT_HOOKS, GetParam()}, {}, 30);
    ASSERT_FALSE(result.hung);
    ASSERT_EQ(result.signal, 0) << result.err;
    ASSERT_EQ(result.status, 0) << result.err;
    ASSERT_EQ(result.err, "");
  }
}

INSTANTIATE_TEST_SUITE_P(Each, Exit, testing::Values("return", "exit", "quick_exit", "freeres", "threads"),
                         [](const auto& one) { return std::string(one.param); });

TEST(StatsAtExit, AreTextOrJsonOrNothing) {
  const std::vector<std::string> program = {ASHLAR_EXIT_HOOKS, "return"};
  EXPECT_EQ(run_child(program, {"ASHLAR_CONF=stats_at_exit:none"}).err, "");
  const ChildResult text = run_child(program, {"ASHLAR_CONF=stats_at_exit:text"});
  EXPECT_GT(text.err.size(), 200U);
  EXPECT_EQ(text.status, 0);
  const ChildResult json = run_child(program, {"ASHLAR_CONF=stats_at_exit:json"});
  EXPECT_EQ(json.status, 0);
  ASSERT_FALSE(json.err.empty());
  EXPECT_EQ(json.err.front(), '{');
  EXPECT_EQ(occurrences(json.err, "{"), occurrences(json.err, "}"));
  EXPECT_EQ(text.out, json.out) << "standard output is the program's";
}

// Whoever started a daemon waits for the end of its output: the forked child keeps no second descriptor of
// it.
TEST(StatsAtExit, ADaemonKeepsNobodyWaiting) {
  if (kEmulated) GTEST_SKIP() << "the shell is this machine's";
  const ChildResult started =
      run_child({"/usr/bin/perl", "-e",
                 "exit 0 if fork; open STDOUT, '>/dev/null'; open STDERR, '>/dev/null'; sleep 90"},
                {"ASHLAR_CONF=stats_at_exit:text"}, 30);
  EXPECT_FALSE(started.hung);
  EXPECT_EQ(started.status, 0);
  EXPECT_EQ(occurrences(started.err, "statistics of perl"), 1);
}

// What a report of ours may have in a line, in as much as a cut line would differ.
bool is_line_of_a_report(const std::string& line) {
  static const std::regex shapes(
      "|Ashlar .* statistics of .*, process [0-9]+"
      "|Resident memory, layer by layer|Address space|Returned to the system|Fragmentation"
      "|Size classes in use|Free blocks by order"
      "|    size  slabs .* full|  order   .* unusable for this order"
      "|  (live|slab holes|thread caches|dirty|metadata|not ours|RSS by the kernel) +[0-9.]+ (B  |[KMG]iB) "
      "+[0-9.]+ %  "
      "[A-Za-z].*"
      "|  sum +[0-9.]+ [KMG]iB +[0-9.]+ %  "
      "|  window +[0-9.]+ [KMG]iB opened of [0-9.]+ [KMGT]iB reserved"
      "|  (live|cached|free) +[0-9.]+ (B  |[KMG]iB)|  direct +[0-9.]+ (B  |[KMG]iB) in [0-9]+ mappings"
      "|  large blocks +[0-9]+   thread caches [0-9]+   slots lost in forks [0-9]+"
      "|  dirty .* of a budget of .* [KMG]iB|  purged .* of it holes in live slabs|  regretted .* calls "
      "refused"
      "|  slab .* not live|  external .* free block|  RSS / live +[0-9.]+"
      "| +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+ +[0-9.]+ (B  |[KMG]iB) +[0-9.]+ +([0-9.]+|-)  "
      "[0-9]+( [0-9]+){10}"
      "| +[0-9]+ +[0-9.]+ (B  |[KMG]iB) +[0-9]+ +[0-9]+ +[0-9.]+ %");
  return std::regex_match(line, shapes);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);)
    lines.push_back(line);
  return lines;
}

// The process numbers that a shell wrote for the programs that it started, and those in the headings.
using Pids = std::multiset<std::string>;
Pids pids_in_headings(const std::string& report) {
  static const std::regex heading("Ashlar .* statistics of exit_hooks, process ([0-9]+)");
  Pids pids;
  for (const std::string& line : lines_of(report)) {
    std::smatch match;
    if (std::regex_match(line, match, heading)) pids.insert(match[1]);
  }
  return pids;
}

constexpr int kAtOnce = 8;

// A shell, itself without a report, that runs so many programs at once and prints their numbers.
ChildResult run_at_once(const std::string& form, const std::string& redirection) {
  const std::string script = "for i in $(seq " + std::to_string(kAtOnce) +
                             "); do ASHLAR_CONF=stats_at_exit:" + form + " $0 return >/dev/null " +
                             redirection + " & echo $!; done; wait";
  return run_child({"/bin/sh", "-c", script, ASHLAR_EXIT_HOOKS}, {}, 120);
}

TEST(StatsAtExit, ReportsOfSeveralProcessesNameThemAndCutNoLineInAPipe) {
  if (kEmulated) GTEST_SKIP() << "the shell is this machine's";
  const ChildResult all = run_at_once("text", "");
  ASSERT_EQ(all.status, 0);
  const std::vector<std::string> started = lines_of(all.out);
  EXPECT_EQ(pids_in_headings(all.err), Pids(started.begin(), started.end()));
  for (const std::string& line : lines_of(all.err))
    EXPECT_TRUE(is_line_of_a_report(line)) << line;
}

// A file that all of them append to has one report behind the other.
TEST(StatsAtExit, ReportsOfSeveralProcessesStandWholeInAFile) {
  if (kEmulated) GTEST_SKIP() << "the shell is this machine's";
  char file[] = "/tmp/ashlar_reports.XXXXXX";
  const int fd = mkstemp(file);
  ASSERT_GE(fd, 0);
  const ChildResult all = run_at_once("text", std::string("2>>") + file);
  std::ifstream stream(file);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  close(fd);
  unlink(file);
  ASSERT_EQ(all.status, 0);
  EXPECT_EQ(all.err, "");
  const std::vector<std::string> started = lines_of(all.out);
  EXPECT_EQ(pids_in_headings(text), Pids(started.begin(), started.end()));
  std::vector<std::string> sections;
  for (const std::string& line : lines_of(text)) {
    EXPECT_TRUE(is_line_of_a_report(line)) << line;
    if (!line.empty() && line.front() >= 'A' && line.front() <= 'Z') sections.push_back(line.substr(0, 6));
  }
  const std::vector<std::string> one = {"Ashlar", "Reside", "Addres", "Return", "Fragme", "Size c", "Free b"};
  ASSERT_EQ(sections.size(), one.size() * kAtOnce);
  for (size_t i = 0; i < sections.size(); ++i)
    EXPECT_EQ(sections[i], one[i % one.size()]) << "section " << i;
}

TEST(StatsAtExit, JsonNamesTheProcess) {
  if (kEmulated) GTEST_SKIP() << "the shell is this machine's";
  const ChildResult all = run_at_once("json", "");
  ASSERT_EQ(all.status, 0);
  const std::vector<std::string> started = lines_of(all.out);
  Pids found;
  static const std::regex fields("\"program\":\"exit_hooks\",\"pid\":([0-9]+),");
  for (std::sregex_iterator it(all.err.begin(), all.err.end(), fields), end; it != end; ++it)
    found.insert((*it)[1]);
  EXPECT_EQ(found, Pids(started.begin(), started.end()));
  EXPECT_EQ(lines_of(all.err).size(), size_t{kAtOnce});
}

}  // namespace
}  // namespace interface_test
