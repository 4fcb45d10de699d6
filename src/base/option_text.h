// Options in words: a size as it is written in ASHLAR_CONF, and what a person is told of a piece that the
// parser refused. Allocates nothing; any thread.
#pragma once

#include <cstddef>

#include "base/options.h"

namespace ashlar {

// A size or a count as the parser reads it back, without loss: sizes as "8m", "1536k", "17", "auto" for
// kAuto.
struct NumberText {
  char text[24];
};
NumberText number_text(OptionKind kind, size_t value);

// "unknown option in 'purge_flor:8m'", then `consequence` (", ignored" or nothing), then what would be right:
// "; did you mean purge_floor:8m?", all keys, the choices, the range. Written to `out` with a
// terminator, cut off at `size` bytes; kOptionErrorBytes hold all of it, since of a long piece only the
// beginning is shown.
inline constexpr size_t kOptionErrorBytes = 400;
void describe(const OptionError& error, const char* consequence, char* out, size_t size);

}  // namespace ashlar
