// Workloads as rows of a race: see programs.h.
#include "race/programs.h"

#include <fmt/format.h>

#include <stdexcept>

#include "race/child.h"
#include "race/rounds.h"
#include "race/verify.h"
#include "race/workloads.h"

namespace ashlar::bench {

namespace {

ChildSpec spec_of(const Workload& workload, const Allocator& allocator, const Options& options) {
  ChildSpec spec{.command = workload.command,
                 .environment = workload.environment,
                 .directory = workload.directory,
                 .input = workload.input,
                 .timeout = options.timeout(),
                 .sample_interval = std::chrono::milliseconds(options.sample_ms),
                 .whole_tree = workload.whole_tree,
                 .keep_output = workload.same_output,
                 .look_for_library = options.verify ? allocator.path : ""};
  if (const std::string preload = preload_variable(allocator); !preload.empty()) {
    spec.environment.push_back(preload);
  }
  return spec;
}

// The first output of a workload is what all later ones are compared with.
struct FirstOutput {
  bool seen = false;
  std::string allocator;
  std::string text;

  void check(const std::string& name, const std::string& output) {
    if (!seen) {
      *this = {.seen = true, .allocator = name, .text = output};
    } else if (output != text) {
      throw std::runtime_error(fmt::format("its output differs from the first, under {}", allocator));
    }
  }
};

Measurement measurement_of(const ChildRun& run) {
  return {{kTime, run.wall_seconds * 1e9},
          {kCpu, run.cpu_seconds * 1e9},
          {kPeak, run.peak_rss_mib},
          {kMean, run.mean_rss_mib}};
}

}  // namespace

RaceResult race_programs(const Options& options, const std::vector<Allocator>& allocators) {
  const std::vector<Workload> workloads = options.workloads.empty()
                                              ? std::vector<Workload>{command_line_workload(options)}
                                              : read_workloads(options.workloads);
  std::vector<std::string> names;
  for (const Workload& workload : workloads) {
    names.push_back(workload.name);
    for (const Allocator& allocator : allocators) {
      if (options.verify) verify_program(allocator, spec_of(workload, allocator, options));
    }
  }
  std::vector<FirstOutput> outputs(workloads.size());
  return run_rounds(options, allocators, names, [&](size_t row, size_t allocator) {
    const ChildRun run = run_child(spec_of(workloads[row], allocators[allocator], options));
    if (!run.succeeded()) throw std::runtime_error(run.failure());
    if (run.library_mapped == false)
      throw std::runtime_error("it runs without " + allocators[allocator].path);
    if (workloads[row].same_output) outputs[row].check(allocators[allocator].name, run.output);
    return measurement_of(run);
  });
}

}  // namespace ashlar::bench
