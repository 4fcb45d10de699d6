// Tests of race's pure parts: statistics, tables, parsing of flags and files, targets; and of running
// a child. No framework: a failed check names itself, and the exit status says whether any did.
#include <fmt/format.h>

#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "race/allocators.h"
#include "race/child.h"
#include "race/gbench.h"
#include "race/options.h"
#include "race/report.h"
#include "race/statistics.h"
#include "race/table.h"
#include "race/targets.h"
#include "race/verify.h"
#include "race/workloads.h"

namespace ashlar::bench {

namespace {

int failures = 0;

void check(bool holds, const char* text, int line) {
  if (holds) return;
  ++failures;
  fmt::print("{}:{}: failed: {}\n", __FILE__, line, text);
}
#define ASHLAR_CHECK(condition) check((condition), #condition, __LINE__)

template <class Function>
std::string error_of(Function function) {
  try {
    function();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

void test_statistics() {
  const std::vector<double> odd = {5, 1, 3, 2, 4};
  const Summary summary = summarize(odd);
  ASHLAR_CHECK(summary.count == 5);
  ASHLAR_CHECK(summary.median == 3);
  ASHLAR_CHECK(summary.lower_quartile == 2 && summary.upper_quartile == 4);
  ASHLAR_CHECK(summary.lowest == 1 && summary.highest == 5);
  ASHLAR_CHECK(std::fabs(summary.spread() - 1.0 / 3) < 1e-12);
  ASHLAR_CHECK(quantile({1, 2}, 0.5) == 1.5);
  ASHLAR_CHECK(std::isnan(summarize({}).median));
  ASHLAR_CHECK(summarize(std::vector<double>{7}).upper_quartile == 7);

  const std::vector<double> values = {2, 4, NAN};
  ASHLAR_CHECK(ratio_to_best_other(values, 0) == 0.5);
  ASHLAR_CHECK(ratio_to_best_other(values, 1) == 2);
  ASHLAR_CHECK(std::isnan(ratio_to_best_other(values, 2)));
  ASHLAR_CHECK(std::isnan(ratio_to_best_other(std::vector<double>{1}, 0)));
  ASHLAR_CHECK(std::fabs(geometric_mean(std::vector<double>{2, 8, NAN}) - 4) < 1e-12);
  ASHLAR_CHECK(std::isnan(geometric_mean({})));
}

void test_table() {
  Table table({"name", "value"});
  table.add_row({"a", "±10"});
  table.add_row({"long name"});
  ASHLAR_CHECK(table.text() == "name       value\na            ±10\nlong name\n");
  ASHLAR_CHECK(format_ns(3.14159) == "3.14 ns");
  ASHLAR_CHECK(format_ns(12345) == "12.3 us");
  ASHLAR_CHECK(format_ns(5e12) == "5000 s");
  ASHLAR_CHECK(format_mib(NAN) == "-");
  ASHLAR_CHECK(format_ratio(1.015) == "1.01" || format_ratio(1.015) == "1.02");
  ASHLAR_CHECK(format_spread(0.03) == "±3%");
}

void test_allocators() {
  ASHLAR_CHECK(contains(parse_allocator("glibc").path, "libc.so"));
  ASHLAR_CHECK(parse_allocator("none=").path.empty());
  ASHLAR_CHECK(contains(error_of([] { parse_allocator("x"); }), "only glibc"));
  ASHLAR_CHECK(contains(error_of([] { parse_allocator("x=/no/such/file"); }), "No such file"));
  ASHLAR_CHECK(contains(error_of([] { parse_allocator("=x"); }), "no name"));
  ASHLAR_CHECK(contains(error_of([] { parse_allocators({"a=", "a="}); }), "twice"));
  ASHLAR_CHECK(contains(error_of([] { parse_allocators({}); }), "no allocator"));
  const auto allocators = parse_allocators({"a=", "b="});
  ASHLAR_CHECK(find_allocator(allocators, "b", "--judge") == 1);
  ASHLAR_CHECK(contains(error_of([&] { find_allocator(allocators, "c", "--judge"); }), "--judge c"));

  setenv("LD_PRELOAD", "/first.so", 1);
  ASHLAR_CHECK(preload_variable({.name = "x", .path = "/x.so"}) == "LD_PRELOAD=/first.so:/x.so");
  unsetenv("LD_PRELOAD");
  ASHLAR_CHECK(preload_variable({.name = "x", .path = "/x.so"}) == "LD_PRELOAD=/x.so");
  ASHLAR_CHECK(preload_variable({.name = "x", .path = ""}).empty());
}

std::optional<int> parse(std::vector<std::string> arguments, Options& options) {
  arguments.insert(arguments.begin(), "race");
  std::vector<char*> argv;
  argv.reserve(arguments.size());
  for (std::string& argument : arguments)
    argv.push_back(argument.data());
  return parse_options(static_cast<int>(argv.size()), argv.data(), options);
}

void test_options() {
  Options options;
  ASHLAR_CHECK(
      !parse({"-a", "glibc", "-a", "b=x", "-r", "3", "--seed", "9", "--", "ls", "-l", "--rounds"}, options));
  ASHLAR_CHECK(options.allocators.size() == 2 && options.rounds == 3 && options.seed == 9);
  ASHLAR_CHECK((options.command == std::vector<std::string>{"ls", "-l", "--rounds"}));
  Options bad;
  ASHLAR_CHECK(parse({"--rounds", "0", "--", "ls"}, bad) == 2);
  ASHLAR_CHECK(parse({"--no-such-flag"}, bad) == 2);
  Options none;
  ASHLAR_CHECK(parse({"-a", "glibc"}, none) == 2);
}

void test_workloads() {
  const auto list = parse_workloads(
      R"([{"name": "a", "command": ["ls", "-l"], "env": {"K": "v"}}, {"name": "b", "command": "ls | wc"}])",
      "f");
  ASHLAR_CHECK(list.size() == 2);
  ASHLAR_CHECK(list[0].environment == std::vector<std::string>{"K=v"} && !list[0].whole_tree);
  ASHLAR_CHECK(list[1].command.size() == 3 && list[1].whole_tree);
  const auto error = [](const char* json) { return error_of([json] { parse_workloads(json, "f"); }); };
  ASHLAR_CHECK(contains(error("{}"), "f: not a list"));
  ASHLAR_CHECK(contains(error("[]"), "no workload"));
  ASHLAR_CHECK(contains(error(R"([{"name": "a"}])"), "f, entry 1"));
  ASHLAR_CHECK(contains(error(R"([{"name": "a", "comand": "ls"}])"), "unknown key \"comand\""));
  ASHLAR_CHECK(contains(error("["), "f: "));
}

void test_gbench_report() {
  ASHLAR_CHECK(exactly("a/b:1.5") == "^a/b:1\\.5$");
  ASHLAR_CHECK(short_name("replace/64/iterations:20/real_time/threads:2") == "replace/64");
  const Measurement items = parse_gbench_report(
      R"({"benchmarks": [{"real_time": 10, "time_unit": "us", "items_per_second": 1e8, "peak_rss_mib": 5}]})");
  ASHLAR_CHECK(items.at(kTime) == 10 && items.at(kPeak) == 5 && !items.contains("real_time"));
  const Measurement iterations =
      parse_gbench_report(R"({"benchmarks": [{"real_time": 2, "time_unit": "ms"}]})");
  ASHLAR_CHECK(iterations.at(kTime) == 2e6);
  ASHLAR_CHECK(contains(error_of([] { parse_gbench_report("{"); }), "not a report"));
}

void test_targets() {
  RaceResult result{
      .allocators = {{"glibc", ""}, {"ashlar", ""}}, .rows = {}, .command = {}, .rounds = 1, .seed = 1};
  const auto row = [](const char* name, const char* metric, double glibc, double ashlar) {
    return Row{.name = name,
               .by_allocator = {{.samples = {{metric, {glibc}}}, .failure = ""},
                                {.samples = {{metric, {ashlar}}}, .failure = ""}}};
  };
  const auto met = [&](const Row& checked) {
    const auto checks = check_row(result, checked, 1);
    return checks.size() == 1 && checks[0].met;
  };
  ASHLAR_CHECK(met(row("pairs/64", kTime, 100, 101)));
  ASHLAR_CHECK(!met(row("pairs/64", kTime, 100, 103)));
  ASHLAR_CHECK(!met(row("replace/1000/64", kPeak, 100, 103)));
  ASHLAR_CHECK(met(row("realloc/growth", kTime, 100, 299)));
  ASHLAR_CHECK(met(row("thread_churn", kTime, 100, 109)));
  ASHLAR_CHECK(!met(row("phase_shift", "rss_over_live", 1.8, 1.9)));
  ASHLAR_CHECK(check_row(result, row("thread_churn", kPeak, 1, 9), 1).empty());
}

// Ratios are to the best that is not judged; who failed has none.
void test_matrix() {
  const auto series = [](double ns, double mib) {
    return Series{.samples = {{kTime, {ns}}, {kPeak, {mib}}}, .failure = ""};
  };
  RaceResult result{
      .allocators = {{"glibc", ""}, {"other", ""}, {"ashlar", ""}},
      .rows = {{.name = "lua", .by_allocator = {series(200, 10), series(100, 40), series(50, 20)}},
               {.name = "gs", .by_allocator = {series(300, 10), {}, series(300, 5)}}},
      .command = {},
      .rounds = 1,
      .seed = 1};
  result.rows[1].by_allocator[1].failure = "killed";
  const std::string text = matrix_report(result, 2);
  const auto has = [&text](const char* line) { return text.find(line) != std::string::npos; };
  ASHLAR_CHECK(has("| lua | other | 100 ns | 2.00 | 1.00 | 0.50 |"));
  ASHLAR_CHECK(has("| lua | glibc | 10 MiB | 1.00 | 4.00 | 2.00 |") ||
               has("| lua | glibc | 10.0 MiB | 1.00 | 4.00 | 2.00 |"));
  ASHLAR_CHECK(has("| gs | glibc | 300 ns | 1.00 | - | 1.00 |"));
  ASHLAR_CHECK(has("| geometric mean | | | **1.41** | **1.00** | **0.71** |"));
  ASHLAR_CHECK(has("FAILED gs under other: killed"));
}

void test_bindings() {
  Bindings bindings;
  add_bindings(
      "  12:\tbinding file ls [0] to /no/such/liba.so [0]: normal symbol `malloc' [GLIBC_2.2.5]\n"
      "  12:\tbinding file ls [0] to /no/such/libb.so [0]: normal symbol `free'\n"
      "  12:\tbinding file ls [0] to /no/such/libb.so [0]: normal symbol `mallocx'\nnoise",
      bindings);
  ASHLAR_CHECK(bindings.size() == 2);
  ASHLAR_CHECK(bindings["malloc"].size() == 1 && bindings["malloc"].contains("/no/such/liba.so"));
  ASHLAR_CHECK(bindings["free"].size() == 1 && bindings["free"].contains("/no/such/libb.so"));
  const Allocator a{.name = "a", .path = "/no/such/liba.so"};
  ASHLAR_CHECK(wrong_server(a, "malloc", bindings).empty());
  ASHLAR_CHECK(!wrong_server(a, "free", bindings).empty());
  ASHLAR_CHECK(wrong_server(a, "calloc", bindings).empty());
}

// A program at a fixed address that takes malloc's address: libraries are bound to its stub.
void test_stub_bindings() {
  const Allocator a{.name = "a", .path = "/no/such/liba.so"};
  const std::string_view indirect =
      "  12:\tbinding file /no/such/libc.so [0] to /no/such/program [0]: normal symbol `malloc'\n";
  Bindings bindings;
  add_bindings(indirect, bindings);
  ASHLAR_CHECK(!wrong_server(a, "malloc", bindings).empty());
  add_bindings("  12:\tbinding file /no/such/program [0] to /no/such/liba.so [0]: normal symbol `malloc'\n",
               bindings);
  ASHLAR_CHECK(wrong_server(a, "malloc", bindings).empty());
  Bindings elsewhere;
  add_bindings(indirect, elsewhere);
  add_bindings("  12:\tbinding file /no/such/program [0] to /no/such/libb.so [0]: normal symbol `malloc'\n",
               elsewhere);
  ASHLAR_CHECK(!wrong_server(a, "malloc", elsewhere).empty());
}

void test_child() {
  ChildSpec spec;
  spec.command = {"/bin/sh", "-c", "echo $RACE_TEST; echo oops >&2; exit 3"};
  spec.environment = {"RACE_TEST=yes"};
  spec.keep_output = true;
  const ChildRun run = run_child(spec);
  ASHLAR_CHECK(run.exit_code == 3 && !run.succeeded() && run.output == "yes\n");
  ASHLAR_CHECK(run.failure() == "exit code 3: oops");
  ASHLAR_CHECK(run.peak_rss_mib > 0.1 && run.wall_seconds > 0);

  spec.command = {"sleep", "10"};
  spec.timeout = std::chrono::milliseconds(50);
  const ChildRun late = run_child(spec);
  ASHLAR_CHECK(late.timed_out && late.wall_seconds < 5);

  spec.command = {"/no/such/program"};
  ASHLAR_CHECK(contains(error_of([&] { run_child(spec); }), "cannot start"));
}

}  // namespace

int run_all() {
  test_statistics();
  test_table();
  test_allocators();
  test_options();
  test_workloads();
  test_gbench_report();
  test_targets();
  test_matrix();
  test_bindings();
  test_stub_bindings();
  test_child();
  fmt::print("{} checks failed\n", failures);
  return failures > 0 ? 1 : 0;
}

}  // namespace ashlar::bench

int main() { return ashlar::bench::run_all(); }
