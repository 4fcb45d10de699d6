// The environment: Ashlar's options, settings of other allocators, and what LD_PRELOAD names.
#pragma once

#include "doctor/finding.h"
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

}  // namespace ashlar_command
