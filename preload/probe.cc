// What happens at load and at exit, and only when asked: the proof that Ashlar serves the program
// (ASHLAR_PROBE, from `ashlar run`), and the statistics at exit (options stats_at_exit, options_at_exit).
//
// The only constructor and destructor of the library. They own nothing and tear nothing down.
#include <dlfcn.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ashlar/ashlar.h"
#include "base/options.h"
#include "export.h"
#include "heap/heap.h"
#include "os/sys.h"

namespace {

struct Symbol {
  const char* name;
  const void* address;  // as the process's global scope resolves it
};

// The library that contains `address`, by name and load address.
bool locate(const void* address, Dl_info* info) { return address != nullptr && dladdr(address, info) != 0; }

// Which of the process's malloc symbols is not ours, or null. Taking a function's address goes through the
// global offset table: it gives what interposition gives everybody else.
const Symbol* first_foreign(const Symbol* symbols, size_t count, Dl_info* theirs) {
  Dl_info ours{};
  locate(reinterpret_cast<const void*>(&ashlar_version), &ours);
  for (size_t i = 0; i < count; ++i) {
    if (!locate(symbols[i].address, theirs) || theirs->dli_fbase != ours.dli_fbase) return &symbols[i];
  }
  return nullptr;
}

// Decimal digits at *text; moves it behind them. -1: none.
long read_decimal(const char** text) {
  if (**text < '0' || **text > '9') return -1;
  long value = 0;
  while (**text >= '0' && **text <= '9' && value < 1L << 40) value = value * 10 + (*(*text)++ - '0');
  return value;
}

void append(char* line, size_t size, const char* text) {
  size_t length = strlen(line);
  while (*text != 0 && length + 1 < size) line[length++] = *text++;
  line[length] = 0;
}

void answer_probe(int fd) {
  const Symbol symbols[] = {
      {"malloc", reinterpret_cast<const void*>(&malloc)},
      {"free", reinterpret_cast<const void*>(&free)},
      {"realloc", reinterpret_cast<const void*>(&realloc)},
      {"calloc", reinterpret_cast<const void*>(&calloc)},
      {"malloc_usable_size", reinterpret_cast<const void*>(&malloc_usable_size)},
  };
  char line[512] = "";
  Dl_info theirs{};
  const Symbol* const foreign = first_foreign(symbols, sizeof symbols / sizeof symbols[0], &theirs);
  char* const copy = strdup("does libc allocate with us?");
  if (foreign != nullptr) {
    append(line, sizeof line, "not-serving ");
    append(line, sizeof line, foreign->name);
    if (theirs.dli_fname != nullptr) append(line, sizeof line, " ");
    if (theirs.dli_fname != nullptr) append(line, sizeof line, theirs.dli_fname);
  } else if (copy == nullptr || !ashlar::heap::owns(copy)) {
    append(line, sizeof line, "not-serving strdup");
  } else {
    append(line, sizeof line, "serving " ASHLAR_VERSION);
  }
  free(copy);
  append(line, sizeof line, "\n");
  ashlar::os::sys::write(fd, line, strlen(line));
  ashlar::os::sys::close(fd);
}

__attribute__((constructor)) void at_load() {
  const char* text = secure_getenv("ASHLAR_PROBE");
  if (text == nullptr) return;
  const long pid = read_decimal(&text);
  if (pid != getpid() || *text++ != ':') return;  // a child of the probed process: not meant
  const long fd = read_decimal(&text);
  if (fd >= 0 && *text == 0) answer_probe(static_cast<int>(fd));
}

__attribute__((destructor)) void at_exit() {
  using ashlar::g_options;
  if (g_options.options_at_exit != 0) ashlar_options_print(2);
  if (g_options.stats_at_exit == 1) ashlar_stats_print(2);
  if (g_options.stats_at_exit == 2) ashlar_stats_print_json(2);
}

}  // namespace
