// os::Lock as one step each of the model: taken when free, dropped. It stands in the place of src/os/lock.cc,
// which is explored by itself (lock_test.cc), so that the interleavings of its inside do not multiply those
// of what uses it. Backoff waits until what was read last has changed: a thread that spins does nothing else.
#include "model.h"
#include "os/lock.h"
#include "os/sys.h"

namespace ashlar::os {

void Lock::lock() {
  if (model::in_thread()) model::lock(this);
}
bool Lock::try_lock() { return !model::in_thread() || model::try_lock(this); }
void Lock::unlock() {
  if (model::in_thread()) model::unlock(this);
}
bool Lock::held_by_me() const { return model::in_thread() && model::holds(this); }
void Lock::reset() {}

void Backoff::wait() {
  if (model::in_thread()) model::wait_for_change();
}

}  // namespace ashlar::os
