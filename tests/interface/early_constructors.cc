// Allocates in constructors of every kind and before main, frees in main and in the destructors. For
// start_test.
#include "support.h"

#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <new>
#include <string>
#include <vector>

namespace {

using interface_test::fill;
using interface_test::filled;

struct Early {
  void* p = nullptr;
  size_t size = 0;
};

Early from_preinit;
Early from_first;
Early from_last;

void take(Early& early, size_t size) {
  early.p = std::malloc(size);
  early.size = size;
  fill(early.p, size, 1);
}

void preinit(int, char**, char**) { take(from_preinit, 100); }
__attribute__((section(".preinit_array"), used)) void (*const kPreinit)(int, char**, char**) = preinit;

__attribute__((constructor(101))) void construct_first() { take(from_first, 50000); }
__attribute__((constructor)) void construct_last() { take(from_last, 3 << 20); }

// Static objects: built before main, destroyed after it.
std::vector<std::string> words = {"one", "a text too long for the string itself", "three"};
std::map<int, std::vector<int>> table = {{1, std::vector<int>(1000, 5)}, {2, std::vector<int>(100000, 6)}};

bool sound(const Early& early) {
  return early.p != nullptr && malloc_usable_size(early.p) >= early.size && filled(early.p, early.size, 1);
}

}  // namespace

int main() {
  if (!sound(from_preinit) || !sound(from_first) || !sound(from_last) || words.size() != 3 ||
      table[2][99999] != 6) {
    std::puts("what was allocated before main is not there");
    return 1;
  }
  from_preinit.p = std::realloc(from_preinit.p, 100000);
  std::free(from_first.p);
  std::free(from_last.p);
  std::free(from_preinit.p);
  words.clear();
  words.resize(10000, "a text too long for the string itself");
  std::puts("went on");
  return interface_test::heap_faults() == 0 ? 0 : 1;
}
