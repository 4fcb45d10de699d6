// Who else is in a process that allocates or replaces malloc: other allocators, sanitizers, valgrind, modules
// that bind past everything preloaded.
#pragma once

#include "doctor/finding.h"
#include "doctor/image.h"
#include "doctor/process_facts.h"

namespace ashlar_command {

/// Other allocators in the process, and who calls them by names of their own.
Findings check_allocators(const Image& image);

/// Sanitizers and valgrind.
Findings check_tools(const Image& image, const ProcessFacts& process);

/// Programs that are known to open their modules with RTLD_DEEPBIND, and namespaces of dlmopen.
Findings check_modules(const Image& image, const Environment& environment);

}  // namespace ashlar_command
