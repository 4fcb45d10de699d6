// A C++ program that takes nothing of libstdc++ but operator new and std::bad_alloc: what Ashlar's operators
// need of libstdc++ to throw, they must bring into a static program themselves.
#include <new>

#include "check.h"

int main() {
  start_watchdog();
  volatile size_t impossible = static_cast<size_t>(-1) / 4;
  bool caught = false;
  try {
    ::operator delete(::operator new(impossible));
  } catch (const std::bad_alloc&) {
    caught = true;
  }
  CHECK(caught);
  return 0;
}
