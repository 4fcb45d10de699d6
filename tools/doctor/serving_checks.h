// Whether Ashlar is in a process, how it came there, and who calls whose malloc.
#pragma once

#include <optional>
#include <string>

#include "child.h"
#include "doctor/finding.h"
#include "doctor/image.h"
#include "doctor/process_facts.h"
#include "doctor/tree.h"

namespace ashlar_command {

struct Evidence {
  const ProcessFacts& process;
  const Image& image;
  const Tree& files;             // as the process sees them
  std::optional<Answer> answer;  // of the library's probe, when it was asked
  bool preloaded_here = false;   // this command put Ashlar into LD_PRELOAD
};

/// Is there an Ashlar, which one, and by what path.
Findings check_loaded(const Evidence& evidence);

/// Does it serve: by its own word, or where it was not asked, by the bindings.
Findings check_serving(const Evidence& evidence);

/// Objects whose calls go past Ashlar, and objects that they go to.
Findings check_bindings(const Evidence& evidence);

/// Where calls of this symbol go, for every object: "libashlar.so.1 (12 objects)"; when none calls it, where
/// the search finds it.
std::string bound_where(const Image& image, const std::string& symbol);

}  // namespace ashlar_command
