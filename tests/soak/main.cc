// The soak: a program that allocates, resizes, hands over and frees for an hour under a load that changes
// every minute, checks what it wrote, and records its memory. It links no allocator: LD_PRELOAD chooses one.
//
//   soak --csv FILE [--minutes N] [--cycles N]
//
// Says first whose malloc it is. Exit status 0 when the contents were right to the end and no child failed;
// what else the recording shows, judge.py says. scripts/soak does both.
#include <dlfcn.h>
#include <malloc.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string>

#include "blocks.h"
#include "clock.h"
#include "crew.h"
#include "phases.h"
#include "recorder.h"
#include "status.h"

namespace {

using namespace ashlar::soak;

struct Options {
  std::string csv;
  double minutes = 60;
  unsigned cycles = 6;
};

void stop_if_broken(const char* phase) {
  const size_t faults = verify_heap();
  if (faults == 0) return;
  fprintf(stderr, "soak: ashlar_verify found %zu faults after phase %s\n", faults, phase);
  _exit(kVerifyStatus);
}

void run_phase(const Phase& phase, unsigned cycle, double seconds, Recorder& recorder, BlockSet* sets,
               Crew& crew) {
  const double began = now();
  const double interval = std::clamp(seconds / 30, 0.1, 1.0);
  crew.start(phase);
  for (double next = began + interval; next < began + seconds; next = std::max(next, now()) + interval) {
    sleep_until(next);
    recorder.write({cycle, phase.name, (now() - began) / seconds, phase.threads}, sets, crew);
  }
  sleep_until(began + seconds);
  crew.stop();
  stop_if_broken(phase.name);
}

// What remains when everything is freed, and what when it is asked for, too.
void end(Recorder& recorder, BlockSet* sets, const Crew& crew, unsigned cycles) {
  for (size_t i = 0; i < kSets; ++i)
    while (sets[i].size() > 0)
      sets[i].free_one();
  recorder.write({cycles, "end", 0, 0}, sets, crew);
  malloc_trim(0);
  recorder.write({cycles, "trimmed", 0, 0}, sets, crew);
}

void name_allocator() {
  Dl_info found;
  const bool known = dladdr(dlsym(RTLD_DEFAULT, "malloc"), &found) != 0;
  printf("malloc is served by %s\n", known ? found.dli_fname : "somebody unknown");
  fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Allocates under a changing load, checks contents, records memory. See docs/soak.md."};
  app.add_option("--csv", options.csv, "the recording, made anew")->required();
  app.add_option("--minutes", options.minutes, "how long (default 60)")->check(CLI::Range(0.02, 10000.0));
  app.add_option("--cycles", options.cycles, "how often all phases come (default 6)")
      ->check(CLI::Range(1, 1000));
  CLI11_PARSE(app, argc, argv);

  const double seconds = options.minutes * 60 / (options.cycles * kPhases);
  BlockSet* const sets = make_sets();
  Crew crew(sets, seconds);
  Recorder recorder;
  name_allocator();
  if (!recorder.open(options.csv.c_str(), sets)) return 1;
  recorder.write({0, "start", 0, 0}, sets, crew);
  for (unsigned cycle = 1; cycle <= options.cycles; ++cycle)
    for (const Phase& phase : kCycle)
      run_phase(phase, cycle, seconds, recorder, sets, crew);
  end(recorder, sets, crew, options.cycles);
  if (crew.failed_children() == 0) return 0;
  fprintf(stderr, "soak: %zu of %zu children failed\n", crew.failed_children(), crew.forks());
  return 1;
}
