// The `ashlar` command: its command line and nothing else.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "options.h"
#include "run.h"

namespace {

using ashlar_command::kExitOurs;

constexpr const char* kExitCodes =
    "Exit status of `run`: the program's own, 128 + N when signal N ended it;\n"
    "  125  Ashlar cannot serve the program (and it was not started, or --strict stopped it),\n"
    "       or the command line is wrong;\n"
    "  126  the program is not executable;\n"
    "  127  the program was not found.\n"
    "Every other failure of this command: 125. See ashlar(1).";

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

void add_run(CLI::App& app, ashlar_command::RunRequest& request) {
  CLI::App* run = app.add_subcommand("run",
                                     "Run a program under Ashlar and verify that Ashlar serves it:\n"
                                     "ashlar run [OPTIONS] -- PROGRAM [ARGUMENTS...]");
  run->prefix_command();
  run->footer(kExitCodes);
  run->add_flag(
         "--stats{text}", request.stats,
         "Print the statistics to stderr when the program exits: --stats, --stats=text or --stats=json")
      ->type_name("")
      ->check([](const std::string& form) {
        return form == "text" || form == "json" ? std::string{} : "is text or json, not " + form;
      });
  run->add_option("--conf", request.conf, "Options for this run, added to ASHLAR_CONF (see `ashlar options`)")
      ->type_name("KEY:VALUE,...")
      ->multi_option_policy(CLI::MultiOptionPolicy::Join)
      ->delimiter(',');
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
  options->add_option("--conf", request.conf, "Options to show the effect of, added to ASHLAR_CONF")
      ->type_name("KEY:VALUE,...");
  options->add_option("--lib", request.library, "The library to ask")->type_name("PATH");
}

std::string usage_text(const std::string& what) {
  return fmt::format("ashlar: {}\nTry `ashlar --help`.\n", what);
}

int usage_error(const std::string& what) {
  fmt::print(stderr, "{}", usage_text(what));
  return kExitOurs;
}

/// `ashlar run PROGRAM -x` works without "--" too; then the first word that is no option of ours starts
/// the program's command line, and a "--" in it is the program's.
int start(const CLI::App& run_app, const CommandLine& line, ashlar_command::RunRequest& request) {
  request.words = run_app.remaining();
  if (!request.words.empty() && request.words.front().starts_with('-')) {
    return usage_error(fmt::format("run: unknown option {}", request.words.front()));
  }
  if (!request.words.empty() && line.marked) request.words.emplace_back("--");
  request.words.insert(request.words.end(), line.program.begin(), line.program.end());
  if (request.words.empty()) return usage_error("run: no program given");
  return ashlar_command::run(request);
}

int command(int argc, char** argv) {
  CLI::App app("Ashlar, a drop-in malloc: run programs under it, see its options.", "ashlar");
  app.set_version_flag("--version", std::string("ashlar ") + ASHLAR_VERSION);
  app.require_subcommand(0, 1);  // none is reported below, behind what is wrong with the words given
  app.failure_message([](const CLI::App*, const CLI::Error& error) { return usage_text(error.what()); });
  app.footer(kExitCodes);
  ashlar_command::RunRequest run_request;
  ashlar_command::OptionsRequest options_request;
  add_run(app, run_request);
  add_options(app, options_request);

  const CommandLine line = split(argc, argv);
  try {
    app.parse(std::vector<std::string>(line.own.rbegin(), line.own.rend()));
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitOurs;
  }
  if (const CLI::App* run_app = app.get_subcommand("run"); run_app->parsed()) {
    return start(*run_app, line, run_request);
  }
  if (!app.got_subcommand("options")) return usage_error("no subcommand given: run or options");
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
