// Which library `ashlar run` and `ashlar doctor` preload, and what is wrong with the one that was named.
//
// Reads files, starts nothing. Any thread.
#pragma once

#include <string>

namespace ashlar_command {

struct PreloadChoice {
  std::string library;  // absolute path; empty where there is none at all
  std::string error;    // why it cannot be preloaded as Ashlar, and what would be right; empty: it can
};

/// The library that `wanted` (--lib) names, or with an empty `wanted` the one that belongs to this command.
PreloadChoice choose_library(const std::string& wanted);

}  // namespace ashlar_command
