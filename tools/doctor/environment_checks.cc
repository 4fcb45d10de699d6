// See environment_checks.h.
#include "doctor/environment_checks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <vector>

#include "base/options.h"
#include "closest.h"
#include "human_bytes.h"
#include "library.h"

namespace ashlar_command {
namespace {

std::string value_of(const Environment& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string{} : found->second;
}

bool is_size(const ashlar::OptionInfo& option) { return option.kind == ashlar::OptionKind::kSize; }

std::string shown_value(const ashlar::OptionInfo& option, std::size_t value) {
  if (option.choices != nullptr) {
    std::size_t length = 0;
    const char* const name = ashlar::choice_name(option, value, &length);
    return {name, length};
  }
  if (value == ashlar::kAuto) return "auto";
  return is_size(option) ? human_bytes(value) : std::to_string(value);
}

std::vector<std::string> option_keys() {
  std::vector<std::string> keys;
  for (const ashlar::OptionInfo& option : ashlar::kOptionInfos)
    keys.emplace_back(option.key);
  return keys;
}

/// What to write in place of a piece whose key is not known.
std::string expected_key(std::string_view piece) {
  const std::vector<std::string> keys = option_keys();
  const std::size_t end = piece.find_first_of("=: \t;");
  const std::string_view word = piece.substr(0, end);
  const std::string key = closest(word, keys);
  const std::string_view value = end == std::string_view::npos ? std::string_view{} : piece.substr(end + 1);
  if (!key.empty() && end != std::string_view::npos && !value.empty()) {
    return fmt::format(
        "Write {}:{}{}", key, value.substr(0, value.find_first_of(" \t;")),
        piece[end] == ':' ? "." : ", with a colon between key and value and a comma between pairs.");
  }
  return fmt::format("{}The options are {} (ashlar options).",
                     key.empty() ? std::string{} : fmt::format("Did you mean {}? ", key),
                     fmt::join(keys, " "));
}

std::string expected(const ashlar::OptionError& error) {
  const std::string_view piece(error.piece, error.length);
  const ashlar::OptionInfo* const option = error.option;
  if (option == nullptr) return expected_key(piece);
  if (option->choices != nullptr) return fmt::format("{} is one of {}.", option->key, option->choices);
  if (!is_size(*option)) {
    return fmt::format("{} is a number from {} to {}.", option->key, option->minimum, option->maximum);
  }
  return fmt::format(
      "{} is a size from {} to {}{}; k, m or g behind the number are KiB, MiB and GiB ({}:8m).", option->key,
      human_bytes(option->minimum), human_bytes(option->maximum),
      option->default_value == ashlar::kAuto ? ", or auto" : "", option->key);
}

/// What a text of options says.
struct Options {
  Findings faults;                              // a warning for each piece that is ignored
  std::vector<const ashlar::OptionInfo*> keys;  // that it sets
  std::vector<std::string> settings;            // "purge_floor 8 MiB", in the order of `keys`

  bool sets(const ashlar::OptionInfo* key) const {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
  }
};

struct Reading {
  Options options;
  std::string check;
};

void add_conf_error(const ashlar::OptionError& error, void* context) {
  auto& reading = *static_cast<Reading*>(context);
  reading.options.faults.push_back(
      {reading.check, Severity::kWarning,
       fmt::format("{} in '{}'", error.what, std::string_view(error.piece, error.length)),
       "This piece is ignored; the others hold.", expected(error)});
}

/// Reads the text with the library's own parser, which notes in globals what was set. One thread.
Options read_options(const std::string& check, const std::string& text) {
  Reading reading{{}, check};
  std::fill(std::begin(ashlar::g_option_origins), std::end(ashlar::g_option_origins),
            ashlar::OptionOrigin::kDefault);
  ashlar::parse_options(text.c_str(), ashlar::OptionOrigin::kEnvironment, add_conf_error, &reading);
  for (unsigned index = 0; index < ashlar::kOptionCount; ++index) {
    if (ashlar::g_option_origins[index] == ashlar::OptionOrigin::kDefault) continue;
    const ashlar::OptionInfo& option = ashlar::kOptionInfos[index];
    reading.options.keys.push_back(&option);
    reading.options.settings.push_back(
        fmt::format("{} {}", option.key, shown_value(option, ashlar::option_value(index))));
  }
  return reading.options;
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
  const Options options = read_options("ASHLAR_CONF", conf);
  if (!options.faults.empty()) return options.faults;
  return {{"ASHLAR_CONF", Severity::kOk,
           fmt::format("\"{}\" is understood: {}", conf, fmt::join(options.settings, ", ")), "", ""}};
}

Findings check_built_in_conf(const Image& image, const ProcessFacts& process) {
  if (!image.conf) return {};
  const char* const check = "ashlar_conf";
  const BuiltInConf& conf = *image.conf;
  const std::string where = short_name(image.objects[conf.object]);
  const std::string text = conf.text ? fmt::format("\"{}\"", *conf.text) : std::string("a variable");
  if (!conf.seen) {
    return {{check, Severity::kWarning, fmt::format("{} in {} is not seen by the library", text, where),
             "The program does not export the variable, and Ashlar is not linked into it: its options do not "
             "hold.",
             "Link it with -Wl,--export-dynamic-symbol=ashlar_conf (or -rdynamic), or give the options in "
             "ASHLAR_CONF."}};
  }
  if (!conf.text) {
    return {{check, Severity::kNote, fmt::format("in {}: what it points to cannot be read", where),
             "A null pointer sets nothing; else the memory of the process cannot be read.", ""}};
  }
  const Options built_in = read_options(check, *conf.text);
  const std::string environment =
      process.secure ? std::string{} : value_of(process.environment, "ASHLAR_CONF");
  const Options later = read_options("ASHLAR_CONF", environment);
  Findings findings = built_in.faults;
  std::vector<std::string> overruled;
  for (const ashlar::OptionInfo* const key : built_in.keys) {
    if (later.sets(key)) overruled.emplace_back(key->key);
  }
  std::string meaning =
      fmt::format("The program brings these options: {}.", fmt::join(built_in.settings, ", "));
  if (built_in.settings.empty()) meaning = "The program's own options, of which none holds.";
  if (!overruled.empty()) {
    meaning += fmt::format(" ASHLAR_CONF comes after it and sets {} again.", fmt::join(overruled, ", "));
  }
  findings.push_back(
      {check, Severity::kNote, fmt::format("{} in {}", text, where), meaning,
       built_in.settings.empty() ? "" : "To set one otherwise: ASHLAR_CONF, which overrules it."});
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
