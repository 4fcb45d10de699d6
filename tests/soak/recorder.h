// A line of a CSV file for each moment: what the program has live, what the kernel says is resident, and
// Ashlar's own statistics where it serves. Allocates nothing and keeps one descriptor; used by the main
// thread.
#pragma once

#include <cstddef>

#include "blocks.h"
#include "crew.h"

namespace ashlar::soak {

struct Moment {
  unsigned cycle;  // from 1
  const char* phase;
  double share;  // of the phase that has passed, 0 to 1
  unsigned threads;
};

class Recorder {
 public:
  // Writes the heading. `path` is made anew; false with a message on stderr when it can't be.
  bool open(const char* path, const BlockSet* sets);
  void write(const Moment& moment, const BlockSet* sets, const Crew& crew);

 private:
  int file_ = -1;
  double began_ = 0;
};

}  // namespace ashlar::soak
