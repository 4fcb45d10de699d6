// What the checks of one program or process judge.
#pragma once

#include <optional>

#include "child.h"
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
  bool started_here = false;     // this command started it: the loader's words are among its messages
  bool readable = true;          // its memory
};

}  // namespace ashlar_command
