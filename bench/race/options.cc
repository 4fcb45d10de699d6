// Declares every flag once, with its text and range: see options.h.
#include "race/options.h"

#include <CLI/CLI.hpp>
#include <chrono>

namespace ashlar::bench {

namespace {

constexpr const char* kDescription =
    "Runs programs under several allocators and compares time and memory.\n\n"
    "  race --allocator glibc --allocator je=/usr/lib/.../libjemalloc.so.2 -- perl script.pl\n"
    "  race --allocator ... --workloads programs.json\n"
    "  race --allocator ... --gbench ./ashlar_micro --filter '^pairs' -- --threads=idle\n\n"
    "Rounds are interleaved, the order of allocators drawn anew in each. Before the race, who serves\n"
    "malloc is checked for every allocator, in a probe and in the programs themselves.";

constexpr const char* kFooter =
    "Exit status: 0 done; 1 a run failed or the wrong allocator served; 2 bad usage;\n"
    "3 with --gate, a target was missed.";

void add_race_flags(CLI::App& app, Options& options) {
  app.add_option(
         "-a,--allocator", options.allocators,
         "NAME=PATH of a shared library to preload; `glibc` alone for this system's; `NAME=` for none")
      ->allow_extra_args(false);
  app.add_option("--baseline", options.baseline, "the allocator that ratios are also given to")
      ->capture_default_str();
  app.add_option("--judge", options.judge, "the allocator that is held to the targets")
      ->capture_default_str();
  app.add_option("-r,--rounds", options.rounds, "how often everything is run")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "of the order of runs; 0 draws one")->capture_default_str();
  app.add_option("--warm", options.warm_mib, "MiB touched before each round, so that the machine has them")
      ->check(CLI::Range(size_t{0}, size_t{1} << 20))
      ->capture_default_str();
  app.add_option("--timeout", options.timeout_seconds, "seconds that one run may take; 0: any")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  app.add_option("--sample-ms", options.sample_ms, "how often memory is sampled")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_flag("!--no-verify", options.verify, "do not check who serves malloc");
}

void add_output_flags(CLI::App& app, Options& options) {
  app.add_option("--json", options.json, "also write every sample and summary to this file");
  app.add_flag("-q,--quiet", options.quiet, "no progress on standard error");
  app.add_flag("--matrix", options.matrix,
               "programs: two tables in Markdown, time and peak RSS, rows by allocators");
  app.add_flag("--gate", options.gate, "exit with 3 when the judged allocator misses a target");
}

void add_program_flags(CLI::App& app, Options& options) {
  app.add_option("--workloads", options.workloads, "JSON file that lists programs (see bench/workloads)")
      ->check(CLI::ExistingFile);
  app.add_option("--input", options.input, "file for the command's standard input")->check(CLI::ExistingFile);
  app.add_flag("--same-output", options.same_output, "fail a run whose output differs from the others'");
  app.add_flag("--tree", options.whole_tree, "memory: sum over the program and its descendants");
  app.add_option("command", options.command, "after --: the program and its arguments");
}

void add_gbench_flags(CLI::App& app, Options& options) {
  app.add_option("--gbench", options.gbench, "Google Benchmark binary: one process for each of its rows")
      ->check(CLI::ExistingFile);
  app.add_option("--filter", options.filter, "regular expression: which rows")->capture_default_str();
  app.add_option("--min-time", options.min_time, "seconds for one row")
      ->check(CLI::Range(0.001, 60.0))
      ->capture_default_str();
}

// What flags mean together. Empty when all is well.
std::string complaint(const Options& options) {
  const int modes = !options.gbench.empty() + !options.workloads.empty() +
                    (options.gbench.empty() && !options.command.empty());
  if (modes == 0) return "nothing to run: give --gbench, --workloads, or -- and a command";
  if (modes > 1) return "more than one thing to run: --gbench, --workloads and a command exclude each other";
  const bool flags_of_one = !options.input.empty() || options.same_output || options.whole_tree;
  if (flags_of_one && (!options.gbench.empty() || !options.workloads.empty())) {
    return "--input, --same-output and --tree belong to a single command";
  }
  return "";
}

}  // namespace

std::optional<int> parse_options(int argc, char** argv, Options& options) {
  CLI::App app(kDescription, "race");
  app.footer(kFooter);
  app.option_defaults()->always_capture_default(false);
  add_race_flags(app, options);
  add_output_flags(app, options);
  add_program_flags(app, options);
  add_gbench_flags(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (const std::string text = complaint(options); !text.empty()) {
    std::cerr << "race: " << text << " (see --help)\n";
    return 2;
  }
  if (options.seed == 0) {
    options.seed =
        static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()) % 1000000;
  }
  return std::nullopt;
}

}  // namespace ashlar::bench
