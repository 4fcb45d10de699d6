// Makes one call, named by its argument, the very first of the process: from the program's preinit
// array, before the constructor of any library and before libstdc++ could allocate (it is not linked
// in). Then works normally in main. For start_test. With the argument `resolver` the first call comes
// even earlier, while the program is being relocated, when `environ` is still null.
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

void* volatile first_block = nullptr;
volatile int first_answer = -1;
bool called = false;

template <typename T>
T opaque(T value) {
  asm volatile("" : "+r"(value) : : "memory");
  return value;
}

bool is(const char* command, const char* name) { return strcmp(command, name) == 0; }

bool call_allocating(const char* command) {
  void* p = nullptr;
  if (is(command, "malloc")) {
    p = malloc(opaque(100UL));
  } else if (is(command, "malloc_zero")) {
    p = malloc(opaque(0UL));
  } else if (is(command, "malloc_page")) {
    p = malloc(opaque(20000UL));
  } else if (is(command, "malloc_large")) {
    p = malloc(opaque(5UL << 20));
  } else if (is(command, "malloc_direct")) {
    p = malloc(opaque(100UL << 20));
  } else if (is(command, "calloc")) {
    p = calloc(opaque(10UL), 10);
  } else if (is(command, "realloc_null")) {
    p = realloc(opaque<void*>(nullptr), 100);
  } else if (is(command, "memalign")) {
    p = memalign(opaque(65536UL), 100);
  } else if (is(command, "posix_memalign")) {
    void* block = nullptr;
    p = posix_memalign(&block, opaque(64UL), 100) == 0 ? block : nullptr;
  } else {
    return false;
  }
  first_block = p;
  first_answer = p != nullptr;
  return true;
}

bool call_other(const char* command) {
  if (is(command, "free_null")) {
    free(opaque<void*>(nullptr));
    first_answer = 1;
  } else if (is(command, "free_foreign")) {
    static char here[64];
    free(opaque(here + 16));
    first_answer = 1;
  } else if (is(command, "usable_size_null")) {
    first_answer = malloc_usable_size(opaque<void*>(nullptr)) == 0;
  } else if (is(command, "malloc_too_large")) {
    first_answer = malloc(opaque(~0UL)) == nullptr && errno == ENOMEM;
  } else if (is(command, "malloc_trim")) {
    first_answer = malloc_trim(0) >= 0;
  } else if (is(command, "mallinfo2")) {
    first_answer = mallinfo2().uordblks == 0;
  } else if (is(command, "mallopt")) {
    first_answer = mallopt(M_ARENA_MAX, 1) >= 0;
  } else if (is(command, "fork")) {
    const pid_t pid = fork();
    if (pid == 0) {
      _exit(malloc(opaque(100UL)) != nullptr ? 0 : 1);
    }
    int status = 1;
    waitpid(pid, &status, 0);
    first_answer = status == 0;
  } else {
    return false;
  }
  return true;
}

void call_first(int argc, char** argv, char**) {
  if (argc > 1 && !called) {
    called = call_allocating(argv[1]) || call_other(argv[1]);
  }
}

__attribute__((section(".preinit_array"), used)) void (*const kFirst)(int, char**, char**) = call_first;

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || !called || first_answer != 1) {
    fprintf(stderr, "the first call, %s, answered %d\n", argc > 1 ? argv[1] : "none", first_answer);
    return 1;
  }
  void* blocks[100];
  for (size_t i = 0; i < 100; ++i) {
    blocks[i] = malloc(i * i * 10);
    if (blocks[i] == nullptr) {
      return 1;
    }
    memset(blocks[i], 1, i * i * 10);
  }
  free(first_block);
  for (void* block : blocks) {
    free(block);
  }
  puts("went on");
  return 0;
}
