// `ashlar options`: what can be set, and what is set.
#pragma once

#include <string>

namespace ashlar_command {

struct OptionsRequest {
  std::string library;  // --lib; empty: searched
  std::string conf;     // --conf: added to ASHLAR_CONF
};

/// Prints the table of all options and the effective configuration. Returns the exit status.
///
/// The configuration in force is the library's to tell. It cannot be opened with dlopen (its
/// thread-local storage is for programs that start with it), so this command executes itself once
/// more with the library preloaded; `self_arguments` are what main() was given.
int print_options(const OptionsRequest& request, char** self_arguments);

/// "sizes" in the way of the options: 1048576 → "1m".
std::string size_text(std::size_t bytes);

}  // namespace ashlar_command
