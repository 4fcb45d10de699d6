// What happens at load and at exit, and only when asked: the proof that Ashlar serves the program
// (ASHLAR_PROBE, from `ashlar run`), and the statistics at exit (options stats_at_exit, options_at_exit).
// Beside the process's malloc (ASHLAR_TWINS) Ashlar does not serve the program, and nothing is proved.
//
// The only constructor and destructor of the library. They own nothing and tear nothing down.
#include <dlfcn.h>
#ifdef ASHLAR_TWINS
#include "heap/heap.h"
#endif
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ashlar/ashlar.h"
#include "base/options.h"
#include "export.h"
#include "heap/heap.h"
#include "os/sys.h"

// What pulls this file out of the archive (c_api.cc).
extern "C" {
extern const char ashlar_probe_anchor;  // NOLINT(readability-identifier-naming): a name for the linker
const char ashlar_probe_anchor = 0;     // NOLINT(readability-identifier-naming)
}

// A program's own options (heap/init.cc).
extern "C" __attribute__((weak, visibility("default"))) const char* ashlar_conf;

namespace {

#ifndef ASHLAR_TWINS
struct Symbol {
  const char* name;
  const void* address;  // as the process's global scope resolves it
};

// Which of the process's malloc symbols is somebody else's, or null. Taking a function's address goes
// through the global offset table: it gives what interposition gives everybody else. In an executable at a
// fixed address that may be a stub of the executable's own, which leads to whoever serves: is_served
// tells about that.
const Symbol* first_foreign(const Symbol* symbols, size_t count, Dl_info* theirs) {
  Dl_info ours{};
  // In a static program there is no loader to ask, and nobody to bind a name elsewhere.
  if (dladdr(reinterpret_cast<const void*>(&ashlar_version), &ours) == 0) return nullptr;
  for (size_t i = 0; i < count; ++i) {
    if (symbols[i].address == nullptr || dladdr(symbols[i].address, theirs) == 0) return &symbols[i];
    const bool in_program = getauxval(AT_PHDR) - reinterpret_cast<uintptr_t>(theirs->dli_fbase) < 4096;
    if (theirs->dli_fbase != ours.dli_fbase && !in_program) return &symbols[i];
  }
  return nullptr;
}

// What malloc, calloc, realloc and libc's strdup return is ours, and free takes it back: the next malloc of
// that size gets it. The name of the first that fails, or null.
const char* first_unserved() {
  using ashlar::heap::owns;
  void* volatile block = malloc(40);
  if (block == nullptr || !owns(block)) return "malloc";
  if (malloc_usable_size(block) != ashlar::heap::usable_size(block)) return "malloc_usable_size";
  block = realloc(block, 4000);
  if (block == nullptr || !owns(block)) return "realloc";
  void* const before = block;
  free(block);
  block = malloc(4000);
  if (block != before) return "free";
  free(block);
  block = calloc(3, 5);
  if (block == nullptr || !owns(block)) return "calloc";
  free(block);
  block = strdup("does libc allocate with us?");
  if (block == nullptr || !owns(block)) return "strdup";
  free(block);
  return nullptr;
}

// Decimal digits at *text; moves it behind them. -1: none.
long read_decimal(const char** text) {
  if (**text < '0' || **text > '9') return -1;
  long value = 0;
  while (**text >= '0' && **text <= '9' && value < 1L << 40)
    value = value * 10 + (*(*text)++ - '0');
  return value;
}

void append(char* line, size_t size, const char* text) {
  size_t length = strlen(line);
  while (*text != 0 && length + 1 < size)
    line[length++] = *text++;
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
  const char* const unserved = foreign != nullptr ? foreign->name : first_unserved();
  if (unserved == nullptr) {
    append(line, sizeof line, "serving " ASHLAR_VERSION);
  } else {
    append(line, sizeof line, "not-serving ");
    append(line, sizeof line, unserved);
    if (foreign != nullptr && theirs.dli_fname != nullptr) {
      append(line, sizeof line, " ");
      append(line, sizeof line, theirs.dli_fname);
    }
  }
  append(line, sizeof line, "\n");
  ashlar::os::sys::write(fd, line, strlen(line));
  ashlar::os::sys::close(fd);
}
#endif

// Programs like ls close stderr before they exit. When statistics are wanted then, and only then, a second
// descriptor of it is kept; at exit it is used if it is still the same file.
constinit int g_kept_stderr = -1;
constinit struct stat g_kept_file {};

bool same_file(int fd) {
  struct stat now {};
  return fstat(fd, &now) == 0 && now.st_dev == g_kept_file.st_dev && now.st_ino == g_kept_file.st_ino;
}

// Not in a forked child: of a daemon, who started it would wait for the end of that pipe as long as it lives.
void drop_kept_stderr() {
  if (g_kept_stderr >= 0 && same_file(g_kept_stderr)) ashlar::os::sys::close(g_kept_stderr);
  g_kept_stderr = -1;
}

void keep_stderr() {
  ashlar::heap::initialise();
  if (ashlar::g_options.stats_at_exit == 0 && ashlar::g_options.options_at_exit == 0) return;
  g_kept_stderr = fcntl(2, F_DUPFD_CLOEXEC, 100);
  if (g_kept_stderr < 0) return;
  fstat(g_kept_stderr, &g_kept_file);
  pthread_atfork(nullptr, nullptr, drop_kept_stderr);
}

// Where to print at exit; -1: nowhere.
int exit_stderr() {
  struct stat now {};
  if (fstat(2, &now) == 0) return 2;
  return g_kept_stderr >= 0 && same_file(g_kept_stderr) ? g_kept_stderr : -1;
}

__attribute__((constructor)) void at_load() {
  const bool built_in = sizeof(ASHLAR_DEFAULT_CONF) > 1 || &ashlar_conf != nullptr;
  if (built_in || secure_getenv("ASHLAR_CONF") != nullptr) keep_stderr();
#ifdef ASHLAR_TWINS
  ashlar::heap::initialise();
#else
  const char* text = secure_getenv("ASHLAR_PROBE");
  if (text == nullptr) return;
  const long pid = read_decimal(&text);
  if (pid != getpid() || *text++ != ':') return;  // a child of the probed process: not meant
  const long fd = read_decimal(&text);
  // The process may have replaced itself since, and the descriptor be another's: only a pipe is answered.
  struct stat file {};
  if (fd < 0 || *text != 0 || fstat(static_cast<int>(fd), &file) != 0 || !S_ISFIFO(file.st_mode)) return;
  answer_probe(static_cast<int>(fd));
#endif
}

__attribute__((destructor)) void at_exit() {
  using ashlar::g_options;
  if (g_options.options_at_exit == 0 && g_options.stats_at_exit == 0) return;
  const int fd = exit_stderr();
  if (fd < 0) return;
  if (g_options.options_at_exit != 0) ashlar_options_print(fd);
  if (g_options.stats_at_exit == 1) ashlar_stats_print(fd);
  if (g_options.stats_at_exit == 2) ashlar_stats_print_json(fd);
}

}  // namespace
