/* With Ashlar preloaded and deepbind:keep, a plug-in opened with RTLD_DEEPBIND brings blocks of libc's malloc: the first that
 * is freed here is named on stderr and left alone, and the next silently. deep PLUGIN */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static char g_said[1000];

/* What free writes to stderr. */
static const char* say_at_free(void* p) {
  int ends[2];
  const int stderr_kept = dup(2);
  CHECK(pipe(ends) == 0 && dup2(ends[1], 2) == 2);
  free(p);
  CHECK(dup2(stderr_kept, 2) == 2);
  close(stderr_kept);
  close(ends[1]);
  memset(g_said, 0, sizeof g_said);
  CHECK(read(ends[0], g_said, sizeof g_said - 1) >= 0);
  close(ends[0]);
  return g_said;
}

int main(int count, char** arguments) {
  start_watchdog();
  CHECK(count == 2);
  int (*owns)(const void*) = (int (*)(const void*))dlsym(RTLD_DEFAULT, "ashlar_owns");
  CHECK(owns != NULL);
  void* plugin = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
  CHECK(plugin != NULL);
  void* (*block_of_plugin)(void) = (void* (*)(void))dlsym(plugin, "plugin_block");
  CHECK(block_of_plugin != NULL);
  void* mine = malloc(100);
  CHECK(owns(mine));
  free(mine);

  char* theirs = block_of_plugin();
  CHECK(theirs != NULL && !owns(theirs));
  memset(theirs, 7, 100);
  char address[40];
  snprintf(address, sizeof address, "free of %p ignored", (void*)theirs);
  const char* said = say_at_free(theirs);
  CHECK(strstr(said, address) != NULL && strstr(said, "not Ashlar's") != NULL);
  for (int i = 0; i < 100; ++i)
    CHECK(theirs[i] == 7);
  CHECK(strlen(say_at_free(block_of_plugin())) == 0);
  return 0;
}
