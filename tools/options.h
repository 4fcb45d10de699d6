// `ashlar options`: what can be set, and what is set.
#pragma once

#include <string>

namespace ashlar_command {

struct OptionsRequest {
  std::string library;  // --lib; empty: searched
  std::string conf;     // --conf: added to ASHLAR_CONF
};

/// Prints every option with what is in force, as the library tells it. Returns the exit status.
///
/// The library cannot be opened with dlopen (its thread-local storage is for programs that start with
/// it), so this command executes itself once more with the library preloaded; `self_arguments` are
/// what main() was given.
int print_options(const OptionsRequest& request, char** self_arguments);

}  // namespace ashlar_command
