// What the kernel calls this process.
#pragma once

#include <cstddef>

namespace ashlar::stats {

// The main thread's name, as ps(1) and pgrep(1) know the process: the start of its file's name, or what the
// program has set. Bytes that are no printable ASCII are '?'. Empty where /proc is not there.
struct ProcessName {
  char text[17];
};
ProcessName process_name();

}  // namespace ashlar::stats
