// Whether Ashlar is in a process, how it came there, and whether it serves.
#pragma once

#include "doctor/evidence.h"
#include "doctor/finding.h"

namespace ashlar_command {

/// Is there an Ashlar, which one, and by what path.
Findings check_loaded(const Evidence& evidence);

/// Does it serve: by its own word, or where it was not asked, by the bindings.
Findings check_serving(const Evidence& evidence);

}  // namespace ashlar_command
