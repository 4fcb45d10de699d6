#include "stats/process_name.h"

#include "os/system.h"

namespace ashlar::stats {

ProcessName process_name() {
  ProcessName name{};
  const size_t length = os::read_small_file("/proc/self/comm", name.text, sizeof name.text);
  for (size_t i = 0; i < length; ++i) {
    if (i + 1 == length && name.text[i] == '\n') {
      name.text[i] = 0;
    } else if (name.text[i] < ' ' || name.text[i] > '~') {
      name.text[i] = '?';
    }
  }
  return name;
}

}  // namespace ashlar::stats
