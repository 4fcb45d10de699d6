// `ashlar options`. What there is to say comes from the library; see options.h.
#include "options.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "library.h"
#include "preload_choice.h"
#include "run.h"

namespace ashlar_command {
namespace {

// Set in the second execution, so that a library that cannot be loaded does not make a third.
constexpr const char* kAgain = "ASHLAR_OPTIONS_AGAIN";

// ashlar_options_print and ashlar_version of <ashlar/ashlar.h>, found at run time.
using PrintOptions = int (*)(int fd);
using Version = const char* (*)();

int print_effective(const std::string& conf) {
  const auto print = reinterpret_cast<PrintOptions>(dlsym(RTLD_DEFAULT, "ashlar_options_print"));
  const auto version = reinterpret_cast<Version>(dlsym(RTLD_DEFAULT, "ashlar_version"));
  if (print == nullptr || version == nullptr) {
    fmt::print(stderr, "ashlar: the library did not load, so the configuration in force is not known\n");
    return kExitOurs;
  }
  fmt::print("libashlar {}, with ASHLAR_CONF=\"{}\":\n", version(), conf);
  std::fflush(stdout);
  if (const int error = print(STDOUT_FILENO); error != 0) {
    fmt::print(stderr, "ashlar: options: {}\n", std::strerror(error));
    return kExitOurs;
  }
  return 0;
}

}  // namespace

int print_options(const OptionsRequest& request, char** self_arguments) {
  if (std::getenv(kAgain) != nullptr) {
    return print_effective(environment("ASHLAR_CONF"));
  }
  const PreloadChoice choice = choose_library(request.library);
  if (!choice.error.empty()) {
    fmt::print(stderr, "ashlar: options: {}\n", choice.error);
    return request.library.empty() ? kExitOurs : kExitUsage;
  }
  const std::string conf = join_conf(environment("ASHLAR_CONF"), request.conf);
  setenv("LD_PRELOAD", join_preload(environment("LD_PRELOAD"), choice.library).value.c_str(), 1);
  if (!conf.empty()) setenv("ASHLAR_CONF", conf.c_str(), 1);
  setenv(kAgain, "1", 1);
  execv("/proc/self/exe", self_arguments);
  fmt::print(stderr, "ashlar: options: cannot execute this command again: {}\n", std::strerror(errno));
  return kExitOurs;
}

}  // namespace ashlar_command
