// Fork: what happens to the heap, in order.
//
//   prepare   every other thread is brought out of the slow path, and kept out (cache/registry.h)
//   parent    they go on
//   child     the other threads' caches are dropped and counted, and the one thread goes on
//
// Our prepare runs last and our parent and child handlers first where they were registered first: at
// the first slow path. Handlers of others may allocate in between: the forking thread passes its own gate.
#include <pthread.h>

#include "cache/registry.h"
#include "heap/heap.h"

namespace ashlar::heap {

void register_fork_handlers() {
  pthread_atfork(cache::close_gate, cache::open_gate, cache::forget_other_threads);
}

}  // namespace ashlar::heap
