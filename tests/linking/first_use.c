/* libashlar_dl.so is used for the first time by one thread while another forks; the child uses it too:
 * first_use LIBRARY. Each of many processes tries another moment. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>

#include "check.h"

static void* (*g_malloc)(size_t);
static atomic_int g_go;

static void* use_first(void* unused) {
  while (atomic_load(&g_go) == 0) {
  }
  CHECK(g_malloc(100) != NULL);
  return unused;
}

static void be_process(const char* path, int moment) {
  void* library = dlopen(path, RTLD_NOW);
  if (library == NULL) fprintf(stderr, "%s\n", dlerror());
  CHECK(library != NULL);
  void* found = dlsym(library, "ashlar_malloc");
  CHECK(found != NULL);
  memcpy(&g_malloc, &found, sizeof found);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, use_first, NULL) == 0);
  usleep(500);
  atomic_store(&g_go, 1);
  for (volatile int i = 0; i < moment; ++i) {
  }
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    alarm(60);
    CHECK(g_malloc(100) != NULL);
    _exit(0);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  _exit(0);
}

enum { kMoments = kEmulated ? 30 : 300, kLatest = 90000 };

int main(int count, char** arguments) {
  start_watchdog();
  CHECK(count == 2);
  for (int moment = 0; moment < kMoments; ++moment) {
    const pid_t process = fork(); /* the library is opened in the child alone */
    CHECK(process >= 0);
    if (process == 0) be_process(arguments[1], moment * (kLatest / kMoments));
    int status = 0;
    CHECK(waitpid(process, &status, 0) == process && status == 0);
  }
  return 0;
}
