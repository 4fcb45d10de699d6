// The smallest program with a heap: allocates one block and prints the private anonymous memory of
// its own process before and after. Linked without libstdc++, whose start alone costs more memory
// than most allocators; prints with write(2), since stdio would allocate a buffer.
//
//   one_block [BYTES]     (default 64)
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "support/memory.h"

int main(int argc, char** argv) {
  const size_t before = ashlar::bench::anonymous_kib();
  const size_t bytes = argc > 1 ? strtoul(argv[1], nullptr, 10) : 64;
  char* const block = static_cast<char*>(malloc(bytes));
  if (block == nullptr) return 1;
  if (bytes > 0) *static_cast<volatile char*>(block) = 1;
  const size_t after = ashlar::bench::anonymous_kib();
  const size_t resident = ashlar::bench::resident_kib();

  char line[160];
  const int length = snprintf(line, sizeof line, "bytes=%zu before_kib=%zu anonymous_kib=%zu rss_kib=%zu\n",
                              bytes, before, after, resident);
  const bool written = write(STDOUT_FILENO, line, static_cast<size_t>(length)) == length;
  free(block);
  return written ? 0 : 1;
}
