// See heap_use.h.
#include "heap_use.h"

#include "support.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace interface_test {

namespace {

// All blocks of one size that can be had, linked through themselves. Their number.
size_t take_all(size_t size, void** list) {
  size_t count = 0;
  *list = nullptr;
  errno = 0;
  while (void* const p = std::malloc(size)) {
    require(++count * size < 512 * kMiB, "the limit limits");
    std::memset(p, 1, size < 4096 ? size : 4096);
    *static_cast<void**>(p) = *list;
    *list = p;
  }
  REQUIRE(errno == ENOMEM);
  return count;
}

}  // namespace

void cannot(const char* what) {
  std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
  _exit(77);
}

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "failed: %s\n", what);
  _exit(1);
}

void use_heap() {
  constexpr size_t kBlocks = 2000;
  static void* blocks[kBlocks];
  static size_t sizes[kBlocks];
  for (unsigned round = 0; round < 4; ++round) {
    for (size_t i = 0; i < kBlocks; ++i) {
      sizes[i] = i % 40 == 0 ? 20'000 + i * 97 : 1 + i * 31 % 3000;
      blocks[i] = i % 3 == 0 ? std::calloc(1, sizes[i]) : std::malloc(sizes[i]);
      REQUIRE(blocks[i] != nullptr);
      if (i % 3 == 0) REQUIRE(all_zero(blocks[i], sizes[i]));
      fill(blocks[i], sizes[i], static_cast<unsigned>(i));
    }
    for (size_t i = 0; i < kBlocks; i += 7) {
      void* const p = std::realloc(blocks[i], sizes[i] * 2 + 1);
      REQUIRE(p != nullptr);
      REQUIRE(filled(p, sizes[i], static_cast<unsigned>(i)));
      blocks[i] = p;
    }
    for (size_t i = 0; i < kBlocks; ++i) {
      REQUIRE(filled(blocks[i], sizes[i], static_cast<unsigned>(i)));
      std::free(blocks[i]);
    }
    malloc_trim(0);
  }
  void* p = std::malloc(33 * kMiB);  // a mapping of its own, moved and shrunk
  REQUIRE(p != nullptr);
  fill(p, kMiB, 5);
  p = std::realloc(p, 50 * kMiB);
  REQUIRE(p != nullptr && filled(p, kMiB, 5));
  p = std::realloc(p, kMiB);
  REQUIRE(p != nullptr && filled(p, kMiB, 5));
  std::free(p);
  REQUIRE(heap_faults() == 0);
}

void use_threads(int count) {
  pthread_t threads[64];
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 256 * kKiB);
  for (int i = 0; i < count; ++i) {
    const auto work = [](void*) -> void* {
      for (size_t j = 0; j < 2000; ++j)
        std::free(std::malloc(opaque(j * 17 % 40'000)));
      return nullptr;
    };
    REQUIRE(pthread_create(&threads[i], &attributes, work, nullptr) == 0);
  }
  for (int i = 0; i < count; ++i)
    pthread_join(threads[i], nullptr);
  pthread_attr_destroy(&attributes);
}

void use_fork() {
  const pid_t pid = fork();
  if (pid == 0) {
    for (size_t i = 0; i < 2000; ++i)
      std::free(std::malloc(opaque(i * 13 % 50'000)));
    _exit(heap_faults() == 0 ? 0 : 3);
  }
  int status = 1;
  REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
}

void free_list(void* list) {
  while (list != nullptr) {
    void* const next = *static_cast<void**>(list);
    std::free(list);
    list = next;
  }
}

void exhaust(size_t least) {
  size_t first[3] = {};
  for (int round = 0; round < 2; ++round) {
    const size_t sizes[3] = {100, 5000, 300 * kKiB};
    for (int i = 0; i < 3; ++i) {
      void* list = nullptr;
      const size_t count = take_all(sizes[i], &list);
      std::printf("%zu blocks of %zu B\n", count, sizes[i]);
      REQUIRE(count * sizes[i] >= least);
      if (round == 0) first[i] = count;
      REQUIRE(count >= first[i] - first[i] / 10);
      REQUIRE(heap_faults() == 0);
      free_list(list);
      use_threads(20);  // 5 MiB of stacks: what was freed is there for them
    }
  }
  use_fork();
}

}  // namespace interface_test
