/* Opens libashlar_dl.so when the process has run for a while, its static thread-local storage is nearly used
 * up, and threads are running: late LIBRARY PRELOAD_LIBRARY HOG... */
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "check.h"

static struct {
  void* (*malloc)(size_t);
  void (*free)(void*);
  void* (*realloc)(void*, size_t);
  int (*owns)(const void*);
  int (*verify)(int);
  size_t (*purge)(void);
  int (*print_json)(int);
} api;

static void load(const char* path) {
  /* Beside a preloaded Ashlar not by RTLD_DEEPBIND: the names that both have must not be mixed up even so. */
  const int deep = getenv("LD_PRELOAD") == NULL ? RTLD_DEEPBIND : 0;
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL | deep);
  if (library == NULL) fprintf(stderr, "%s\n", dlerror());
  CHECK(library != NULL);
  const struct {
    const char* name;
    void* target;
  } names[] = {{"ashlar_malloc", &api.malloc},
               {"ashlar_free", &api.free},
               {"ashlar_realloc", &api.realloc},
               {"ashlar_owns", &api.owns},
               {"ashlar_verify", &api.verify},
               {"ashlar_purge", &api.purge},
               {"ashlar_stats_print_json", &api.print_json}};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; ++i) {
    void* found = dlsym(library, names[i].name);
    CHECK(found != NULL);
    memcpy(names[i].target, &found, sizeof found);
  }
  /* What is in use stays: the library can't be unloaded. */
  CHECK(dlclose(library) == 0);
  CHECK(dlopen(path, RTLD_NOLOAD | RTLD_LAZY) != NULL);
}

static void* work(void* seed) {
  for (int round = 0; round < 50; ++round) {
    void* blocks[200];
    for (int i = 0; i < 200; ++i) {
      const size_t size = (size_t)(i * 97 + (int)(uintptr_t)seed) % 3000 + 1;
      blocks[i] = api.malloc(size);
      CHECK(blocks[i] != NULL && api.owns(blocks[i]));
      memset(blocks[i], i, size);
    }
    for (int i = 0; i < 200; ++i)
      api.free(blocks[i]);
  }
  return NULL;
}

static size_t reported_live_bytes(void) {
  static char text[100000];
  FILE* file = tmpfile();
  CHECK(file != NULL && api.print_json(fileno(file)) == 0);
  rewind(file);
  CHECK(fread(text, 1, sizeof text - 1, file) > 100);
  fclose(file);
  const char* found = strstr(text, "\"live_bytes\":");
  CHECK(found != NULL);
  return strtoul(found + strlen("\"live_bytes\":"), NULL, 10);
}

static pthread_barrier_t g_loaded;
static void* wait_and_work(void* seed) {
  free(malloc(100));
  pthread_barrier_wait(&g_loaded);
  return work(seed);
}

int main(int count, char** arguments) {
  start_watchdog();
  CHECK(count >= 3);
  CHECK(getenv("GLIBC_TUNABLES") == NULL);
  CHECK(pthread_barrier_init(&g_loaded, NULL, 4) == 0);
  pthread_t early[3];
  for (uintptr_t i = 0; i < 3; ++i)
    CHECK(pthread_create(&early[i], NULL, wait_and_work, (void*)i) == 0);

  /* The hogs come largest first; each is opened while it fits. What is left is less than the smallest's. */
  int opened = 0;
  for (int i = 3; i < count; ++i)
    opened += dlopen(arguments[i], RTLD_NOW) != NULL;
  CHECK(count == 3 || opened > 0);
  if (count > 3) {
    /* The control: the library for preloading does not fit any more. */
    CHECK(dlopen(arguments[2], RTLD_NOW) == NULL);
    CHECK(strstr(dlerror(), "static TLS") != NULL);
  }
  load(arguments[1]);
  pthread_barrier_wait(&g_loaded);
  for (int i = 0; i < 3; ++i)
    CHECK(pthread_join(early[i], NULL) == 0);

  /* Its statistics are of its own heap, also where another library has functions of the same names. */
  void* big = api.malloc(20 << 20);
  CHECK(reported_live_bytes() >= 20 << 20);
  api.free(big);

  /* The process keeps its malloc. */
  void* theirs = malloc(100);
  CHECK(!api.owns(theirs));
  free(theirs);
  void* ours = api.realloc(api.malloc(100), 5000);
  CHECK(api.owns(ours));
  pthread_t thread;
  for (int i = 0; i < 20; ++i) {
    CHECK(pthread_create(&thread, NULL, work, NULL) == 0);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
      alarm(240);
      work(NULL);
      api.free(ours);
      CHECK(api.verify(2) == 0);
      _exit(0);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(pthread_join(thread, NULL) == 0);
  }
  api.free(ours);
  CHECK(api.purge() > 0);
  CHECK(api.verify(2) == 0);
  return 0;
}
