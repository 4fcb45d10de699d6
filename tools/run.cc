// `ashlar run`. Finds program and library, refuses what LD_PRELOAD cannot reach, starts the rest and
// tells the user what the probe found. Its only output is on stderr, and only when something is wrong
// or --verbose asks.
#include "run.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstring>
#include <utility>

#include "child.h"
#include "library.h"
#include "maps.h"
#include "obstacle.h"
#include "program.h"

namespace ashlar_command {
namespace {

template <typename... Args>
void say(fmt::format_string<Args...> format, Args&&... args) {
  fmt::print(stderr, "ashlar: {}\n", fmt::format(format, std::forward<Args>(args)...));
}

std::string conf_of(const RunRequest& request) {
  std::string conf = join_conf(environment("ASHLAR_CONF"), request.conf);
  if (!request.stats.empty()) conf = join_conf(conf, "stats_at_exit:" + request.stats);
  return conf;
}

/// Why this library file is no use; empty when it is fine.
std::string library_obstacle(const RunRequest& request, const std::string& library) {
  if (library.empty() && !request.library.empty()) return fmt::format("{}: no such library", request.library);
  if (library.empty()) {
    return fmt::format("{} is neither beside this command nor in ../lib*; name it with --lib", kLibraryName);
  }
  if (!preload_can_name(library)) {
    return fmt::format("LD_PRELOAD cannot name {}: blanks, colons and $ have a meaning there", library);
  }
  if (inspect_file(library).kind != FileKind::kElf) return fmt::format("{}: not a shared library", library);
  return {};
}

/// Tells what the probe found. Returns whether the program may go on.
bool report_answer(const RunRequest& request, const std::string& name, const Answer& answer) {
  if (answer.verdict == Verdict::kServing) {
    if (request.verbose) say("serving {}: version {}", name, answer.text);
    return true;
  }
  if (answer.verdict == Verdict::kNotServing) {
    say("does NOT serve {}: {} is not Ashlar's there", name, answer.text);
  } else {
    say("does NOT serve {}: {}", name, answer.text);
  }
  for (const std::string& file : other_allocators(answer.mapped))
    say("found in the process: {}", file);
  if (request.strict) say("--strict: {} is killed", name);
  return !request.strict;
}

int finish(const Launch& launch, const Outcome& outcome) {
  if (outcome.exec_error != 0) {
    say("{}: {}", launch.path, std::strerror(outcome.exec_error));
    return outcome.exec_error == ENOENT ? kExitNotFound : kExitNotExecutable;
  }
  return outcome.killed ? kExitOurs : exit_code(outcome.wait_status);
}

int run_unserved(Launch launch) {
  const Outcome outcome = run_child(launch, [](const Answer&) { return true; });
  return finish(launch, outcome);
}

int run_served(const RunRequest& request, Launch launch, const std::string& name,
               const std::string& library) {
  const std::string preload = environment("LD_PRELOAD");
  const std::string_view listed = ashlar_entry(preload);
  if (request.verbose && !listed.empty()) say("LD_PRELOAD has {} already", listed);
  launch.environment.emplace_back("LD_PRELOAD", join_preload(preload, library));
  if (const std::string conf = conf_of(request); !conf.empty()) {
    launch.environment.emplace_back("ASHLAR_CONF", conf);
  }
  launch.probe = true;
  const Outcome outcome =
      run_child(launch, [&](const Answer& answer) { return report_answer(request, name, answer); });
  return finish(launch, outcome);
}

}  // namespace

int report_missing(const Program& program) {
  const std::string by =
      program.chain.empty() ? std::string{} : fmt::format(" (interpreter of {})", program.chain.back().path);
  if (program.found == Found::kNo) {
    say("{}: not found{}", program.missing, by);
    return kExitNotFound;
  }
  say("{}: not executable{}", program.missing, by);
  return kExitNotExecutable;
}

std::string describe(const Program& program) {
  std::string text = program.chain.front().path;
  for (std::size_t i = 1; i < program.chain.size(); ++i) {
    text += fmt::format(", run by {}", program.chain[i].path);
  }
  return text;
}

int run(const RunRequest& request) {
  const Program program = resolve_program(request.words, search_path_of_environment());
  if (program.found != Found::kYes) return report_missing(program);

  const std::string library = find_library(request.library);
  std::string reason = library_obstacle(request, library);
  if (reason.empty()) {
    reason = obstacle(program, inspect_file(library), current_caller());
    if (!reason.empty()) reason = fmt::format("cannot serve {}: {}", describe(program), reason);
  }
  Launch launch{program.path, program.argv, {}, false};
  if (reason.empty()) return run_served(request, std::move(launch), describe(program), library);

  say("{}", reason);
  if (!request.anyway) {
    say("not started; --anyway runs it without Ashlar");
    return kExitOurs;
  }
  return run_unserved(std::move(launch));
}

}  // namespace ashlar_command
