// dlopen without RTLD_DEEPBIND, in libashlar.so.1 alone.
//
// With that flag an object looks for names in itself and in what it is linked with, libc among them, before
// it looks where everybody does. Its malloc and free are then libc's, whoever serves the program, and the
// first block that crosses over is freed by the wrong one. libc's free asks nobody; only here it can be
// prevented. Why it is the default, and what it can cost: docs/decisions/deepbind.md.
#include <dlfcn.h>
#include <stdlib.h>

#include "base/options.h"
#include "export.h"
#include "heap/heap.h"

#if defined(__has_cpp_attribute) && __has_cpp_attribute(clang::musttail)
#define ASHLAR_TAIL_CALL [[clang::musttail]]
#else
#define ASHLAR_TAIL_CALL  // gcc 12 has no such promise: -O2 makes a jump of it, linking.deep.* fails if not
#endif

using namespace ashlar;

namespace {

using Dlopen = void*(const char*, int);

constexpr int kKeep = 1;  // of the option's choices

// True if the program's malloc is ours: a malloc of its own, or one preloaded before Ashlar, stands before
// it.
bool serves_program() {
  void* block = malloc(1);
  __asm__("" : "+r"(block));  // or the compiler takes both calls out
  const bool ours = heap::owns(block);
  free(block);
  return ours;
}

int without_deepbind(int flags) {
  if ((flags & RTLD_DEEPBIND) == 0 || !serves_program()) return flags;
  heap::initialise();  // for options from an environment that libc had not read yet
  return g_options.deepbind == kKeep ? flags : flags & ~RTLD_DEEPBIND;
}

// Whose dlopen comes behind ours: libc's, or another interposer's. Never null with the glibc that we need,
// where it is in libc itself.
Dlopen* next_dlopen() { return reinterpret_cast<Dlopen*>(dlsym(RTLD_NEXT, "dlopen")); }

}  // namespace

// It must stay a jump: libc looks at the return address for the caller, whose RUNPATH and $ORIGIN are
// searched and whose namespace is opened in.
ASHLAR_EXPORT void* dlopen(const char* file, int flags) noexcept {
  flags = without_deepbind(flags);
  Dlopen* const next = next_dlopen();
  ASHLAR_TAIL_CALL return next(file, flags);
}
