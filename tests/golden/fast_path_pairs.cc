// Warm pairs of malloc and free, or of operator new and sized delete, for callgrind to count. A second thread
// exists, so that nothing counts on having the process to itself. Asks whoever serves malloc for the
// statistics, and prints them on stdout.
//
//   fast_path_pairs c|cxx SIZE PAIRS
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <new>

namespace {

pthread_barrier_t g_barrier;

void* wait_for_the_end(void* unused) {
  pthread_barrier_wait(&g_barrier);  // alive from here ...
  pthread_barrier_wait(&g_barrier);  // ... to here
  return unused;
}

// By name, without Ashlar's header: the program is to know nothing of it.
void print_statistics() {
  using Print = int (*)(int);
  const Print print = reinterpret_cast<Print>(dlsym(RTLD_DEFAULT, "ashlar_stats_print_json"));
  if (print == nullptr || print(1) != 0) puts("{}");
}

bool do_pairs(size_t size, long pairs, bool cxx) {
  for (long i = 0; i < pairs; ++i) {
    char* volatile p = static_cast<char*>(cxx ? ::operator new(size) : malloc(size));
    if (p == nullptr) return false;
    *p = 1;
    if (cxx) {
      ::operator delete(p, size);
    } else {
      free(p);
    }
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const bool cxx = strcmp(argv[1], "cxx") == 0;
  const size_t size = strtoul(argv[2], nullptr, 10);
  const long pairs = strtol(argv[3], nullptr, 10);
  pthread_t thread;
  pthread_barrier_init(&g_barrier, nullptr, 2);
  if (pthread_create(&thread, nullptr, wait_for_the_end, nullptr) != 0) return 1;
  pthread_barrier_wait(&g_barrier);
  if (!do_pairs(size, pairs, cxx)) return 1;
  pthread_barrier_wait(&g_barrier);
  pthread_join(thread, nullptr);
  print_statistics();
  return 0;
}
