// The heap as its tests check it.
#pragma once

#include "cache/registry.h"
#include "debug/verify.h"
#include "heap/heap.h"
#include "support/support.h"

namespace ashlar::heap {

// 0 when every layer's books balance; faults are printed. No other thread may allocate.
inline int faults() { return debug::verify_heap(2); }

}  // namespace ashlar::heap
