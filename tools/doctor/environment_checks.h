// The environment: Ashlar's options, settings of other allocators, and what LD_PRELOAD names.
#pragma once

#include "doctor/finding.h"
#include "doctor/image.h"
#include "doctor/process_facts.h"
#include "doctor/tree.h"

namespace ashlar_command {

/// Parses ASHLAR_CONF with the library's own parser and names every piece that it would ignore. Writes the
/// core's g_options, which this command uses for nothing else. `secure`: the library does not read it.
Findings check_conf(const Environment& environment, bool secure);

/// Settings for glibc's malloc and for other allocators, which Ashlar does not read.
Findings check_leftovers(const Environment& environment);

/// Entries of LD_PRELOAD that name no file. `tree`: as the process sees the files.
Findings check_preload(const Environment& environment, const Tree& tree);

/// The options that the program brings in its variable ashlar_conf, what they set, and which of them
/// ASHLAR_CONF sets again. Empty when it brings none.
Findings check_built_in_conf(const Image& image, const ProcessFacts& process);

}  // namespace ashlar_command
