// Who calls whose malloc: what the slots that the loader filled mean (image.h reads them).
#pragma once

#include <string>

#include "doctor/evidence.h"
#include "doctor/finding.h"

namespace ashlar_command {

/// Objects whose calls go past Ashlar, and objects that they go to.
Findings check_bindings(const Evidence& evidence);

/// Where calls of this symbol go, for every object: "libashlar.so.1 (12 objects)"; when none calls it, where
/// the search finds it.
std::string bound_where(const Image& image, const std::string& symbol);

}  // namespace ashlar_command
