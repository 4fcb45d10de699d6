// `ashlar options`. The table comes from the declarations that the library is built from
// (base/options.def), the configuration in force from the library itself. See options.h.
#include "options.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/options.h"
#include "library.h"
#include "run.h"

namespace ashlar_command {
namespace {

// Set in the second execution, so that a library that cannot be loaded does not make a third.
constexpr const char* kAgain = "ASHLAR_OPTIONS_AGAIN";

// ashlar_options_print and ashlar_version of <ashlar/ashlar.h>, found at run time.
using PrintOptions = int (*)(int fd);
using Version = const char* (*)();

using ashlar::kAuto;
using ashlar::kKiB;
using ashlar::kMiB;
using ashlar::OptionInfo;

constexpr OptionInfo kTable[] = {
#define ASHLAR_OPTION_SIZE(key, fallback, minimum, maximum, text) \
  {#key, nullptr, text, fallback, minimum, maximum},
#define ASHLAR_OPTION_CHOICE(key, fallback, choices, text) {#key, choices, text, fallback, 0, 0},
#include "base/options.def"
#undef ASHLAR_OPTION_SIZE
#undef ASHLAR_OPTION_CHOICE
};

/// The choice with this number in "a|b|c".
std::string_view choice(std::string_view choices, std::size_t number) {
  while (number-- > 0) choices.remove_prefix(choices.find('|') + 1);
  return choices.substr(0, choices.find('|'));
}

void print_table() {
  for (const OptionInfo& option : kTable) {
    if (option.choices != nullptr) {
      fmt::print("{}  choice: {}  default {}\n", option.key, option.choices,
                 choice(option.choices, option.default_value));
    } else {
      fmt::print("{}  size: {} to {}  default {}\n", option.key, size_text(option.minimum),
                 size_text(option.maximum), size_text(option.default_value));
    }
    fmt::print("    {}\n", option.text);
  }
}

int print_effective(const std::string& conf) {
  const auto print = reinterpret_cast<PrintOptions>(dlsym(RTLD_DEFAULT, "ashlar_options_print"));
  const auto version = reinterpret_cast<Version>(dlsym(RTLD_DEFAULT, "ashlar_version"));
  if (print == nullptr || version == nullptr) {
    fmt::print(stderr, "ashlar: the library did not load, so the configuration in force is not known\n");
    return kExitOurs;
  }
  fmt::print("\nIn force with libashlar {} and ASHLAR_CONF=\"{}\":\n", version(), conf);
  std::fflush(stdout);
  if (const int error = print(STDOUT_FILENO); error != 0) {
    fmt::print(stderr, "ashlar: options: {}\n", std::strerror(error));
    return kExitOurs;
  }
  return 0;
}

}  // namespace

std::string size_text(std::size_t bytes) {
  constexpr std::pair<std::size_t, char> kUnits[] = {{std::size_t{1} << 30, 'g'}, {std::size_t{1} << 20, 'm'},
                                                     {std::size_t{1} << 10, 'k'}};
  if (bytes == kAuto) return "auto";
  for (const auto& [unit, letter] : kUnits) {
    if (bytes >= unit && bytes % unit == 0) return fmt::format("{}{}", bytes / unit, letter);
  }
  return fmt::format("{}", bytes);
}

int print_options(const OptionsRequest& request, char** self_arguments) {
  if (std::getenv(kAgain) != nullptr) {
    print_table();
    return print_effective(environment("ASHLAR_CONF"));
  }
  const std::string library = find_library(request.library);
  if (library.empty() || !preload_can_name(library)) {
    fmt::print(stderr, "ashlar: options: no usable {}; name one with --lib\n", kLibraryName);
    return kExitOurs;
  }
  const std::string conf = join_conf(environment("ASHLAR_CONF"), request.conf);
  setenv("LD_PRELOAD", join_preload(environment("LD_PRELOAD"), library).c_str(), 1);
  if (!conf.empty()) setenv("ASHLAR_CONF", conf.c_str(), 1);
  setenv(kAgain, "1", 1);
  execv("/proc/self/exe", self_arguments);
  fmt::print(stderr, "ashlar: options: cannot execute this command again: {}\n", std::strerror(errno));
  return kExitOurs;
}

}  // namespace ashlar_command
