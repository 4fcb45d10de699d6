// The `ashlar` command: its command line and nothing else.
#include <fmt/format.h>
#include <sys/types.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <exception>
#include <limits>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "closest.h"
#include "doctor/doctor.h"
#include "options.h"
#include "program.h"
#include "run.h"

namespace {

using ashlar_command::kExitOurs;
using ashlar_command::kExitUsage;

constexpr const char* kExitCodes =
    "Exit status of `run`: the program's own, 128 + N when signal N ended it;\n"
    "  125  Ashlar cannot serve the program (and it was not started, or --strict stopped it),\n"
    "       or the command line is wrong;\n"
    "  126  the program is not executable;\n"
    "  127  the program was not found.\n"
    "Exit status of `doctor`: 0; 1 when something stops Ashlar from serving, or nothing can be seen;\n"
    "126 and 127 as above.\n"
    "A wrong command line: 2, and 125 for `run`. Every other failure of this command: 125. See ashlar(1).";

/// What the library's own help leaves out: the program to run, and the values of --stats.
class Help : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App* app, std::string name) const override {
    if (app->get_name() == "run") return "Usage: ashlar run [OPTIONS] [--] PROGRAM [ARGUMENTS...]\n";
    if (app->get_name() == "doctor") {
      return "Usage: ashlar doctor [OPTIONS] [[--] PROGRAM [ARGUMENTS...]]\n"
             "       ashlar doctor [OPTIONS] --pid PID\n";
    }
    return CLI::Formatter::make_usage(app, std::move(name));
  }

  std::string make_option_name(const CLI::Option* option, bool positional) const override {
    return option->get_name() == "--stats" ? "--stats[=text|json]"
                                           : CLI::Formatter::make_option_name(option, positional);
  }
};

struct CommandLine {
  std::vector<std::string> own;      // for the parser
  std::vector<std::string> program;  // from the first "--" on, without it
  bool marked = false;               // there was a "--"
};

/// What stands behind the first "--" belongs to the program and is not parsed.
CommandLine split(int argc, char** argv) {
  CommandLine line;
  for (int i = 1; i < argc; ++i) {
    if (!line.marked && std::strcmp(argv[i], "--") == 0) {
      line.marked = true;
    } else {
      (line.marked ? line.program : line.own).emplace_back(argv[i]);
    }
  }
  return line;
}

/// --conf, which may be given more than once: the pieces are joined.
void add_conf(CLI::App& app, std::string& conf, const char* text) {
  app.add_option("--conf", conf, text)
      ->type_name("KEY:VALUE,...")
      ->multi_option_policy(CLI::MultiOptionPolicy::Join)
      ->delimiter(',');
}

void add_run(CLI::App& app, ashlar_command::RunRequest& request) {
  CLI::App* run = app.add_subcommand("run", "Run a program under Ashlar and verify that Ashlar serves it");
  run->prefix_command();
  run->footer(kExitCodes);
  run->add_flag("--stats{text}", request.stats, "Print the statistics to stderr when the program exits")
      ->type_name("")
      ->check([](const std::string& form) {
        return form == "text" || form == "json" ? std::string{} : "the form is text or json, not " + form;
      });
  add_conf(*run, request.conf, "Options for this run, added to ASHLAR_CONF (see `ashlar options`)");
  run->add_option("--lib", request.library,
                  "The library to use instead of the one installed with this command")
      ->type_name("PATH");
  run->add_flag("--anyway", request.anyway, "Run the program without Ashlar when Ashlar cannot serve it");
  run->add_flag("--strict", request.strict,
                "Kill the program when it turns out that Ashlar does not serve it");
  run->add_flag("-v,--verbose", request.verbose, "Say on stderr that Ashlar serves the program, too");
}

void add_options(CLI::App& app, ashlar_command::OptionsRequest& request) {
  CLI::App* options = app.add_subcommand("options", "Show every option and the configuration in force");
  add_conf(*options, request.conf, "Options to show the effect of, added to ASHLAR_CONF");
  options->add_option("--lib", request.library, "The library to ask")->type_name("PATH");
}

/// What is wrong with the word behind --pid; empty: nothing.
std::string not_a_pid(const std::string& word) {
  pid_t number = 0;
  const char* const end = word.data() + word.size();
  const auto result = std::from_chars(word.data(), end, number);
  if (result.ec == std::errc{} && result.ptr == end && number > 0) return {};
  return fmt::format(
      "{} is no process's number, which is 1 to {}; `pgrep -a NAME` finds them by the program's name", word,
      std::numeric_limits<pid_t>::max());
}

void add_doctor(CLI::App& app, ashlar_command::DoctorRequest& request) {
  CLI::App* doctor = app.add_subcommand(
      "doctor", "Say whether Ashlar serves a program or a process, and what stands in its way");
  doctor->prefix_command();
  doctor->footer(
      "The program is started and stopped before its main function. Without PROGRAM and --pid, a\n"
      "program of this command's own stands in for it.\n"
      "Exit status: 0; 1 when something stops Ashlar from serving, or nothing can be seen; 2 when the\n"
      "command line is wrong; 126 and 127 as `ashlar run`.");
  doctor->add_option("--pid", request.pid, "Look into a running process instead")
      ->type_name("PID")
      ->check(CLI::Validator(not_a_pid, ""));
  doctor->add_flag("--as-is", request.as_is,
                   "Start the program as the environment has it: do not add Ashlar to LD_PRELOAD");
  doctor->add_flag(
      "--follow", request.follow,
      "Let a wrapper (a shell script, env, nice, ...) run until it executes another program in its\n"
      "place, and look at that; what the wrapper does until then is done");
  add_conf(*doctor, request.conf, "Options to look at, added to ASHLAR_CONF");
  doctor
      ->add_option("--lib", request.library,
                   "The library to preload instead of the one installed with this command")
      ->type_name("PATH");
  doctor->add_flag("--json", request.json, "Print the report as JSON");
  doctor->add_flag("-v,--verbose", request.verbose, "Show also what is as it should be");
}

std::string usage_text(const std::string& what) {
  return fmt::format("ashlar: {}\nTry `ashlar --help`.\n", what);
}

int usage_error(const std::string& what, int status) {
  fmt::print(stderr, "{}", usage_text(what));
  return status;
}

/// The words of the program's command line. `ashlar run PROGRAM -x` works without "--" too; then the first
/// word that is no option of ours starts it, and a "--" in it is the program's. False: that word is an option
/// that we don't know.
bool program_words(const CLI::App& app, const CommandLine& line, std::vector<std::string>& words) {
  words = app.remaining();
  if (!words.empty() && words.front().starts_with('-')) return false;
  if (!words.empty() && line.marked) words.emplace_back("--");
  words.insert(words.end(), line.program.begin(), line.program.end());
  return true;
}

/// What to say of `--stats json -- PROGRAM`, where json would be the program; empty when it is one.
std::string stats_slip(const CLI::App& run_app, const ashlar_command::RunRequest& request) {
  if (request.stats.empty() || run_app.remaining().empty()) return {};
  const std::string& word = request.words.front();
  const auto found = ashlar_command::find_program(word, ashlar_command::search_path_of_environment());
  if (word.find('/') != std::string::npos || found.found != ashlar_command::Found::kNo) return {};
  if (word == "text" || word == "json") {
    return fmt::format("run: there is no program {}; the form of the statistics stands behind =: --stats={}",
                       word, word);
  }
  return request.words.size() == 1 ? std::string{}
                                   : fmt::format(
                                         "run: there is no program {}; if it was meant as the form of the "
                                         "statistics, that is --stats=text or --stats=json",
                                         word);
}

/// What to say of a first word that is no subcommand; empty when it is one, an option, or not there.
std::string unknown_subcommand(const CommandLine& line) {
  const std::vector<std::string> subcommands = {"run", "doctor", "options"};
  if (line.own.empty() || line.own.front().starts_with('-')) return {};
  const std::string& word = line.own.front();
  if (std::find(subcommands.begin(), subcommands.end(), word) != subcommands.end()) return {};
  const std::string meant = ashlar_command::closest(word, subcommands);
  return fmt::format("unknown subcommand {}{}; there are run, doctor and options", word,
                     meant.empty() ? std::string{} : fmt::format(", did you mean {}?", meant));
}

int start(const CLI::App& run_app, const CommandLine& line, ashlar_command::RunRequest& request) {
  if (!program_words(run_app, line, request.words)) {
    return usage_error(fmt::format("run: unknown option {}", request.words.front()), kExitOurs);
  }
  if (request.words.empty()) return usage_error("run: no program given", kExitOurs);
  if (const std::string slip = stats_slip(run_app, request); !slip.empty())
    return usage_error(slip, kExitOurs);
  return ashlar_command::run(request);
}

int examine(const CLI::App& doctor_app, const CommandLine& line, ashlar_command::DoctorRequest& request) {
  if (!program_words(doctor_app, line, request.words)) {
    return usage_error(fmt::format("doctor: unknown option {}", request.words.front()), kExitUsage);
  }
  if (line.marked && line.program.empty() && request.words.empty()) {
    return usage_error("doctor: no program behind --", kExitUsage);
  }
  if (request.pid != 0 && !request.words.empty()) {
    return usage_error("doctor: --pid or a program, not both", kExitUsage);
  }
  const char* const for_start = request.follow          ? "--follow"
                                : request.as_is         ? "--as-is"
                                : !request.conf.empty() ? "--conf"
                                                        : nullptr;
  if (request.pid != 0 && for_start != nullptr) {
    return usage_error(
        fmt::format("doctor: {} is for a program that doctor starts; --pid looks into one that runs already, "
                    "as it is",
                    for_start),
        kExitUsage);
  }
  return ashlar_command::doctor(request);
}

int command(int argc, char** argv) {
  CLI::App app(
      "Ashlar, a drop-in malloc: run programs under it, see whether it serves them, see its options.",
      "ashlar");
  app.formatter(std::make_shared<Help>());
  app.set_version_flag("--version", std::string("ashlar ") + ASHLAR_VERSION);
  app.require_subcommand(0, 1);  // none is reported below, behind what is wrong with the words given
  app.failure_message([](const CLI::App*, const CLI::Error& error) { return usage_text(error.what()); });
  app.footer(kExitCodes);
  ashlar_command::RunRequest run_request;
  ashlar_command::OptionsRequest options_request;
  ashlar_command::DoctorRequest doctor_request;
  add_run(app, run_request);
  add_doctor(app, doctor_request);
  add_options(app, options_request);

  const CommandLine line = split(argc, argv);
  if (const std::string unknown = unknown_subcommand(line); !unknown.empty()) {
    return usage_error(unknown, kExitUsage);
  }
  try {
    app.parse(std::vector<std::string>(line.own.rbegin(), line.own.rend()));
  } catch (const CLI::ParseError& error) {
    const bool for_run = !line.own.empty() && line.own.front() == "run";
    const int wrong = for_run ? kExitOurs : kExitUsage;
    return app.exit(error) == 0 ? 0 : wrong;
  }
  if (const CLI::App* run_app = app.get_subcommand("run"); run_app->parsed()) {
    return start(*run_app, line, run_request);
  }
  if (const CLI::App* doctor_app = app.get_subcommand("doctor"); doctor_app->parsed()) {
    return examine(*doctor_app, line, doctor_request);
  }
  if (!app.got_subcommand("options")) {
    return usage_error("no subcommand given: run, doctor or options", kExitUsage);
  }
  return ashlar_command::print_options(options_request, argv);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return command(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "ashlar: {}\n", error.what());
    return kExitOurs;
  }
}
