// See environment_checks.h.
#include "doctor/environment_checks.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <string_view>

#include "base/options.h"
#include "library.h"

namespace ashlar_command {
namespace {

std::string value_of(const Environment& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string{} : found->second;
}

std::string expected(const ashlar::OptionInfo* option) {
  if (option == nullptr) {
    std::string keys = "The options are";
    for (const ashlar::OptionInfo& known : ashlar::kOptionInfos)
      keys += fmt::format(" {}", known.key);
    return keys + " (ashlar options).";
  }
  if (option->choices != nullptr) return fmt::format("{} is one of {}.", option->key, option->choices);
  return fmt::format("{} is a size from {} to {}, with k, m or g.", option->key, option->minimum,
                     option->maximum);
}

void add_conf_error(const ashlar::OptionError& error, void* context) {
  static_cast<Findings*>(context)->push_back(
      {"ASHLAR_CONF", Severity::kWarning,
       fmt::format("{} in '{}'", error.what, std::string_view(error.piece, error.length)),
       "This piece is ignored; the others hold.", expected(error.option)});
}

struct Leftover {
  std::string_view name;
  bool prefix;  // `name` is the beginning of a variable's name
  const char* whose;
  const char* remedy;
};

constexpr Leftover kLeftovers[] = {
    {"MALLOC_ARENA_MAX", false, "glibc's malloc", "Remove it: Ashlar has no arenas per thread."},
    {"MALLOC_ARENA_TEST", false, "glibc's malloc", "Remove it: Ashlar has no arenas per thread."},
    {"MALLOC_TRIM_THRESHOLD_", false, "glibc's malloc",
     "Ashlar's counterpart: ASHLAR_CONF=purge_floor:SIZE."},
    {"MALLOC_TOP_PAD_", false, "glibc's malloc", "Ashlar's counterpart: ASHLAR_CONF=purge_floor:SIZE."},
    {"MALLOC_MMAP_THRESHOLD_", false, "glibc's malloc",
     "Ashlar's counterpart: ASHLAR_CONF=direct_threshold:SIZE."},
    {"MALLOC_MMAP_MAX_", false, "glibc's malloc", "Remove it: there is no counterpart."},
    {"MALLOC_CHECK_", false, "glibc's malloc",
     "Ashlar always stops at double frees; for more, run the program without Ashlar or under valgrind."},
    {"MALLOC_PERTURB_", false, "glibc's malloc", "Run the program without Ashlar for this."},
    {"MALLOC_TRACE", false, "glibc's mtrace", "Run the program without Ashlar for this."},
    {"MALLOC_CONF", false, "jemalloc", "Remove it; Ashlar's options are in ASHLAR_CONF."},
    {"_RJEM_MALLOC_CONF", false, "jemalloc in Rust programs",
     "It holds where the program calls that jemalloc."},
    {"MIMALLOC_", true, "mimalloc", "Remove it; Ashlar's options are in ASHLAR_CONF."},
    {"TCMALLOC_", true, "tcmalloc", "Remove it; Ashlar's options are in ASHLAR_CONF."},
    {"SCUDO_OPTIONS", false, "scudo", "Remove it; Ashlar's options are in ASHLAR_CONF."},
};

/// The tunables of GLIBC_TUNABLES that are malloc's, with blanks between them.
std::string malloc_tunables(std::string_view text) {
  std::string found;
  while (!text.empty()) {
    const std::string_view piece = text.substr(0, text.find(':'));
    text.remove_prefix(std::min(piece.size() + 1, text.size()));
    if (!piece.starts_with("glibc.malloc.")) continue;
    if (!found.empty()) found += ' ';
    found += piece;
  }
  return found;
}

Finding leftover(std::string found, const char* whose, const char* remedy) {
  return {"leftovers", Severity::kNote, std::move(found),
          fmt::format("A setting of {}: it changes nothing while Ashlar serves.", whose), remedy};
}

}  // namespace

Findings check_conf(const Environment& environment, bool secure) {
  const std::string conf = value_of(environment, "ASHLAR_CONF");
  if (environment.empty()) {
    return {{"ASHLAR_CONF", Severity::kNote, "not known: there is no environment to read",
             "Some programs (redis-server, postgres) write their title over it.", ""}};
  }
  if (conf.empty()) return {{"ASHLAR_CONF", Severity::kOk, "not set: the defaults hold", "", ""}};
  if (secure) {
    return {{"ASHLAR_CONF", Severity::kNote, fmt::format("\"{}\" is not read", conf),
             "The program runs with more rights than its caller, and then listens to nobody's environment.",
             "Build the options in: -DASHLAR_DEFAULT_CONF, or the variable ashlar_conf."}};
  }
  Findings findings;
  ashlar::parse_options(conf.c_str(), ashlar::OptionOrigin::kEnvironment, add_conf_error, &findings);
  if (findings.empty()) {
    findings.push_back({"ASHLAR_CONF", Severity::kOk, fmt::format("\"{}\" is understood", conf), "", ""});
  }
  return findings;
}

Findings check_leftovers(const Environment& environment) {
  Findings findings;
  for (const auto& [name, value] : environment) {
    for (const Leftover& known : kLeftovers) {
      if (known.prefix ? name.starts_with(known.name) : name == known.name) {
        findings.push_back(leftover(fmt::format("{}={}", name, value), known.whose, known.remedy));
      }
    }
  }
  if (const std::string tunables = malloc_tunables(value_of(environment, "GLIBC_TUNABLES"));
      !tunables.empty()) {
    findings.push_back(leftover("GLIBC_TUNABLES: " + tunables, "glibc's malloc",
                                "Remove them; Ashlar's options are in ASHLAR_CONF."));
  }
  if (findings.empty()) {
    findings.push_back({"leftovers", Severity::kOk, "no settings of other allocators", "", ""});
  }
  return findings;
}

Findings check_preload(const Environment& environment, const Tree& tree) {
  Findings findings;
  const std::string preload = value_of(environment, "LD_PRELOAD");
  for (const std::string_view entry : preload_entries(preload)) {
    // Names without a slash are searched by the loader, and `$` is the loader's to expand.
    if (entry.find('/') == std::string_view::npos || !preload_can_name(entry)) continue;
    struct stat info {};
    if (stat(tree.real(entry).c_str(), &info) == 0) continue;
    const bool ours = !ashlar_entry(entry).empty();
    findings.push_back(
        {"LD_PRELOAD", ours ? Severity::kProblem : Severity::kWarning,
         fmt::format("names {}, which is not there", entry),
         "The dynamic loader says so on stderr and goes on without it.",
         ours ? "Install Ashlar where the program runs (in its container, its chroot), or name the "
                "path as it is there."
              : "Correct LD_PRELOAD."});
  }
  return findings;
}

}  // namespace ashlar_command
