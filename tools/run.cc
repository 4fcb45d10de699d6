// `ashlar run`. Finds program and library, refuses what LD_PRELOAD cannot reach, starts the rest and
// tells the user what the probe found. Its only output is on stderr, and only when something is wrong
// or --verbose asks.
#include "run.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "child.h"
#include "file_name.h"
#include "library.h"
#include "maps.h"
#include "obstacle.h"
#include "preload_choice.h"
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

/// The library's "free /lib/x.so", or "strdup" alone, in words.
std::string what_is_foreign(const std::string& text) {
  const std::size_t blank = text.find(' ');
  return blank == std::string::npos ? fmt::format("what {} gives is not Ashlar's there", text)
                                    : fmt::format("{} is that of {} there, not Ashlar's",
                                                  text.substr(0, blank), text.substr(blank + 1));
}

/// Says which Ashlar of LD_PRELOAD gave way to this one, where that may surprise: it is there, and another.
void report_replaced(const RunRequest& request, const Preload& preload, const std::string& library) {
  for (const std::string& entry : preload.replaced) {
    const bool there = entry.find('/') != std::string::npos && access(entry.c_str(), F_OK) == 0;
    if (there) say("LD_PRELOAD has another Ashlar, {}: {} takes its place", entry, library);
    if (!there && request.verbose)
      say("LD_PRELOAD has {}, which is not there: {} takes its place", entry, library);
  }
}

/// What to do about an answer that is not "serving".
std::string remedy_for(const Answer& answer, const std::string& program) {
  if (answer.verdict == Verdict::kSilent) {
    return "`ashlar doctor -- PROGRAM` stops it before main and says what came in between; what the dynamic "
           "loader "
           "said stands above";
  }
  const std::size_t blank = answer.text.find(' ');
  if (blank == std::string::npos) {  // bound to Ashlar, and what comes back is not Ashlar's
    return "`ashlar doctor -- PROGRAM` names whose malloc each library calls";
  }
  const std::string whose = answer.text.substr(blank + 1);
  if (file_name(whose) == file_name(program)) {
    return "the program has a malloc of its own: build it without, or run it without Ashlar";
  }
  return fmt::format(
      "take {} out of LD_PRELOAD, or put Ashlar before it; where the program itself is linked with it, "
      "build it without",
      whose);
}

/// Tells what the probe found. Returns whether the program may go on.
bool report_answer(const RunRequest& request, const std::string& name, const std::string& program,
                   const Answer& answer) {
  if (answer.verdict == Verdict::kServing) {
    if (request.verbose) say("serving {}: version {}", name, answer.text);
    return true;
  }
  if (answer.verdict == Verdict::kNotServing) {
    say("does NOT serve {}: {}", name, what_is_foreign(answer.text));
  } else {
    say("does NOT serve {}: {}", name, answer.text);
  }
  for (const std::string& file : other_allocators(answer.mapped))
    say("another allocator is in the process: {}", file);
  say("to do: {}", remedy_for(answer, program));
  if (request.strict) say("--strict: {} is killed", name);
  return !request.strict;
}

/// Ended by a signal that nobody sends to say `end`: a shell would tell it too.
bool is_crash(int wait_status) {
  if (!WIFSIGNALED(wait_status)) return false;
  const int signal = WTERMSIG(wait_status);
  return signal != SIGHUP && signal != SIGINT && signal != SIGTERM && signal != SIGPIPE;
}

int finish(const Launch& launch, const Outcome& outcome) {
  if (outcome.exec_error != 0) {
    say("{}: {}", launch.path, std::strerror(outcome.exec_error));
    return outcome.exec_error == ENOENT ? kExitNotFound : kExitNotExecutable;
  }
  if (outcome.killed) return kExitOurs;
  if (is_crash(outcome.wait_status)) {
    const int signal = WTERMSIG(outcome.wait_status);
    say("{} was ended by signal {} ({})", launch.path, signal, strsignal(signal));
  }
  return exit_code(outcome.wait_status);
}

int run_unserved(Launch launch) {
  const Outcome outcome = run_child(launch, [](const Answer&) { return true; });
  return finish(launch, outcome);
}

int run_served(const RunRequest& request, Launch launch, const std::string& name,
               const std::string& library) {
  const Preload preload = join_preload(environment("LD_PRELOAD"), library);
  report_replaced(request, preload, library);
  const std::string program = launch.path;
  launch.environment.emplace_back("LD_PRELOAD", preload.value);
  if (const std::string conf = conf_of(request); !conf.empty()) {
    launch.environment.emplace_back("ASHLAR_CONF", conf);
  }
  launch.probe = true;
  launch.library = std::filesystem::canonical(library).filename();
  const Outcome outcome =
      run_child(launch, [&](const Answer& answer) { return report_answer(request, name, program, answer); });
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

  const PreloadChoice choice = choose_library(request.library);
  Obstacle found{choice.error, ""};
  if (found.empty()) {
    found = obstacle(program, inspect_file(choice.library), current_caller());
    if (!found.empty()) found.reason = fmt::format("cannot serve {}: {}", describe(program), found.reason);
  }
  Launch launch{program.path, program.argv, {}, false};
  if (found.empty()) return run_served(request, std::move(launch), describe(program), choice.library);

  say("{}", found.reason);
  if (!found.remedy.empty()) say("to do: {}", found.remedy);
  if (!request.anyway) {
    say("not started; --anyway runs it without Ashlar");
    return kExitOurs;
  }
  return run_unserved(std::move(launch));
}

}  // namespace ashlar_command
