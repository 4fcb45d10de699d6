/* With libashlar.so.1, a plug-in opened with RTLD_DEEPBIND has the malloc of everybody, and dlopen is what it
 * was in all else. deep_dropped PLUGIN NAME: NAME is what the RUNPATH of deep_opener.c leads to. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

void* open_inner(const char* name);

#define DEEP (RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND)

static int (*g_owns)(const void*);

static void check_block_is_ours(void* plugin) {
  void* (*block_of_plugin)(void) = (void* (*)(void))dlsym(plugin, "plugin_block");
  CHECK(block_of_plugin != NULL);
  void* block = block_of_plugin();
  CHECK(block != NULL && g_owns(block));
  free(block);
}

/* Against an opening without the flag: the same words, and only once. */
static void check_error(const char* file) {
  CHECK(dlopen(file, RTLD_NOW) == NULL);
  char expected[1000];
  snprintf(expected, sizeof expected, "%s", dlerror());
  CHECK(strstr(expected, file) != NULL);
  CHECK(dlopen(file, DEEP) == NULL);
  const char* said = dlerror();
  CHECK(said != NULL && strcmp(said, expected) == 0);
  CHECK(dlerror() == NULL);
}

int main(int count, char** arguments) {
  start_watchdog();
  CHECK(count == 3);
  g_owns = (int (*)(const void*))dlsym(RTLD_DEFAULT, "ashlar_owns");
  CHECK(g_owns != NULL);

  void* plugin = dlopen(arguments[1], DEEP);
  CHECK(plugin != NULL && dlerror() == NULL);
  CHECK(dlopen(arguments[1], DEEP) == plugin);
  check_block_is_ours(plugin);
  CHECK(dlsym(RTLD_DEFAULT, "plugin_block") == NULL); /* RTLD_LOCAL is kept */
  CHECK(dlclose(plugin) == 0 && dlclose(plugin) == 0);

  CHECK(dlopen(arguments[2], DEEP) == NULL); /* by our own RUNPATH: not found */
  void* inner = open_inner(arguments[2]);
  CHECK(inner != NULL);
  check_block_is_ours(inner);

  void* self = dlopen(NULL, DEEP);
  CHECK(self != NULL && dlsym(self, "ashlar_owns") != NULL);
  check_error("/nowhere/libnone.so");
  check_error("/dev/null");
  return 0;
}
