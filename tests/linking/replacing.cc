// A C++ program that replaces the plain operators, linked with Ashlar, which defines them all: the
// program's are used, and the other forms of Ashlar's forward to them, as the standard says.
#include <ashlar/ashlar.h>
#include <stdlib.h>

#include <new>

#include "check.h"

namespace {
int g_news = 0;
int g_deletes = 0;
}  // namespace

void* operator new(size_t size) {
  ++g_news;
  void* const p = malloc(size);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}
void operator delete(void* p) noexcept {
  ++g_deletes;
  free(p);
}

int main() {
  start_watchdog();
  void* blocks[] = {::operator new(10), ::operator new[](20), ::operator new(30, std::nothrow),
                    ::operator new[](40, std::nothrow)};
  CHECK(g_news == 4);
  for (void* const block : blocks)
    CHECK(ashlar_owns(block));
  ::operator delete(blocks[0]);
  ::operator delete[](blocks[1]);
  ::operator delete (blocks[2], size_t{30});
  ::operator delete[](blocks[3], size_t{40});
  CHECK(g_deletes == 4);
  // The aligned forms are not replaced, and so forward to nobody.
  void* const aligned = ::operator new[](50, std::align_val_t{128});
  CHECK(ashlar_owns(aligned));
  ::operator delete[](aligned, std::align_val_t{128});
  CHECK(g_news == 4 && g_deletes == 4);
  return 0;
}
