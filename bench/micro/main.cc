// ashlar_micro: reads its own flags, then hands over to Google Benchmark.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "micro/harness.h"
#include "support/memory.h"

namespace {

constexpr std::string_view kUsage =
    "ashlar_micro: micro-benchmarks of the malloc that serves this process\n"
    "  --threads=plain|idle|busy2  alone, beside a sleeping thread, or twice at once (default plain)\n"
    "  --warm=MIB                  touch that much memory first (default 0; `race` does it itself)\n"
    "Everything else goes to Google Benchmark: --benchmark_list_tests, --benchmark_filter=RE, ...\n"
    "Choose the allocator with LD_PRELOAD, or compare several with `race --gbench`.\n";

struct Flags {
  std::string_view threads = "plain";
  size_t warm_mib = 0;
};

[[noreturn]] void stop(const char* message, std::string_view argument) {
  fprintf(stderr, "ashlar_micro: %s: %.*s (see --help)\n", message, static_cast<int>(argument.size()),
          argument.data());
  exit(2);
}

// Takes this program's flags out of argv, so that Google Benchmark doesn't see them.
Flags take_flags(int* argc, char** argv) {
  constexpr std::string_view kThreads = "--threads=";
  constexpr std::string_view kWarm = "--warm=";
  Flags flags;
  int kept = 1;
  for (int i = 1; i < *argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with(kThreads)) {
      flags.threads = argument.substr(kThreads.size());
    } else if (argument.starts_with(kWarm)) {
      char* end = nullptr;
      flags.warm_mib = strtoul(argv[i] + kWarm.size(), &end, 10);
      if (*end != '\0' || end == argv[i] + kWarm.size()) stop("not a number of MiB", argument);
    } else {
      argv[kept++] = argv[i];
    }
  }
  *argc = kept;
  return flags;
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (strcmp(argv[i], "--help") != 0) continue;
    fwrite(kUsage.data(), 1, kUsage.size(), stdout);
    return 0;
  }
  const Flags flags = take_flags(&argc, argv);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  if (!ashlar::bench::set_thread_mode(flags.threads)) stop("no such mode of threads", flags.threads);

  ashlar::bench::add_pairs();
  ashlar::bench::add_batches();
  ashlar::bench::add_resizing();
  ashlar::bench::add_large();
  ashlar::bench::add_threads();
  ashlar::bench::add_replacement();
  ashlar::bench::add_phases();

  ashlar::bench::warm_memory(flags.warm_mib);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
