// A fresh core for each input: all of its variables as they were at first, and nothing mapped.
//
// The core tears nothing down, so a process has one heap. Here the linker puts its variables behind one
// another (state.ld), and they are copied back; what it mapped is unmapped; the thread's cache is emptied.
// System calls are those of tests/fakes, with a clock that stands still, a program break of its own and a
// machine of 16 GiB, so that an input does the same everywhere and each time.
#pragma once

#include "bytes.h"

namespace ashlar::fuzz {

class FreshCore {
 public:
  // The state that later constructions bring back is that of the first; `prepare` may change it before, once.
  // No other thread uses the core.
  explicit FreshCore(void (*prepare)() = nullptr);
  ~FreshCore();
  FreshCore(const FreshCore&) = delete;
  FreshCore& operator=(const FreshCore&) = delete;
};

// A target's entry: the input as choices, on a core of its own. Returns what libFuzzer wants to hear.
inline int run_on_fresh_core(const uint8_t* data, size_t size, void (*run)(Bytes&),
                             void (*prepare)() = nullptr) {
  const FreshCore core(prepare);
  Bytes bytes(data, size);
  run(bytes);
  return 0;
}

}  // namespace ashlar::fuzz
