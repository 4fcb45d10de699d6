/* A library that opens another one by its name alone, which only its own RUNPATH leads to. */
#include <dlfcn.h>

void* open_inner(const char* name) {
  /* volatile: a call and no jump, so that we are the caller. */
  void* const volatile inner = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
  return inner;
}
