// Commits one mistake of memory management, named by its argument, and prints the address concerned on
// stdout first. For foreign_test and bad_free_test, which look at how it ends. It ends with status 0 and
// the line `went on` when nothing stopped it.
//
//   bad_input_victim MISTAKE [SIZE [OFFSET]]
#include "support.h"

#include <malloc.h>
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

using interface_test::kMiB;
using interface_test::opaque;

constexpr size_t kMany = 20000;

alignas(64) char in_static_data[256];

void announce(const void* p) {
  std::printf("%p\n", p);
  std::fflush(stdout);
}

char* foreign_address(size_t which) {
  if (which == 0) {
    void* const mapped = mmap(nullptr, kMiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return static_cast<char*>(mapped) + 4096;
  }
  return in_static_data + 64;
}

void* volatile kept_blocks[kMany];

void allocate_many(size_t size) {
  for (auto& block : kept_blocks) {
    block = std::malloc(size);
  }
}

// Frees of what is no pointer of ours.
int commit_foreign(const char* mistake, size_t size) {
  if (std::strcmp(mistake, "foreign_free") == 0) {
    char* const p = opaque(foreign_address(size));
    announce(p);
    for (int i = 0; i < 3; ++i) {
      std::free(p);
      std::free(p + 16);
    }
    return 0;
  }
  if (std::strcmp(mistake, "foreign_stack") == 0) {
    char on_stack[64];
    char* const p = opaque(on_stack);
    announce(p);
    std::free(p);
    return 0;
  }
  if (std::strcmp(mistake, "foreign_realloc") == 0) {
    char* const p = opaque(foreign_address(size));
    announce(p);
    return opaque(std::realloc(p, 100)) == nullptr ? 1 : 0;
  }
  if (std::strcmp(mistake, "foreign_usable_size") == 0) {
    char* const p = opaque(foreign_address(size));
    announce(p);
    return malloc_usable_size(p) == SIZE_MAX ? 1 : 0;
  }
  return -1;
}

// Double frees.
int commit_double(const char* mistake, size_t size) {
  if (std::strcmp(mistake, "double_free") == 0) {
    void* const p = std::malloc(size);
    announce(p);
    std::free(opaque(p));
    std::free(opaque(p));
    return 0;
  }
  if (std::strcmp(mistake, "double_free_late") == 0) {
    allocate_many(size);
    announce(kept_blocks[100]);  // before the frees: stdio's buffer may get the pages of a slab that died
    for (size_t i = 0; i < kMany / 2; ++i) {
      std::free(kept_blocks[i]);
    }
    std::free(kept_blocks[100]);
    for (size_t i = kMany / 2; i < kMany; ++i) {
      std::free(kept_blocks[i]);
    }
    return 0;
  }
  if (std::strcmp(mistake, "double_free_all") == 0) {
    allocate_many(size);
    for (int round = 0; round < 2; ++round) {
      for (auto& block : kept_blocks) {
        std::free(block);
      }
    }
    return 0;
  }
  if (std::strcmp(mistake, "realloc_after_free") == 0) {
    void* const p = std::malloc(size);
    announce(p);
    std::free(opaque(p));
    return opaque(std::realloc(opaque(p), size * 2)) == nullptr ? 1 : 0;
  }
  return -1;
}

// Frees of what lies within a block, or within the heap and in no block.
int commit_interior(const char* mistake, size_t size, size_t offset) {
  if (std::strcmp(mistake, "interior_free") == 0) {
    char* const p = static_cast<char*>(std::malloc(size));
    announce(p + offset);
    std::free(opaque(p + offset));
    return 0;
  }
  if (std::strcmp(mistake, "interior_free_then_many") == 0) {
    allocate_many(size);
    char* const p = static_cast<char*>(kept_blocks[1000]) + offset;
    announce(p);
    std::free(opaque(p));
    for (size_t i = 2000; i < kMany; ++i) {
      std::free(kept_blocks[i]);
    }
    return 0;
  }
  if (std::strcmp(mistake, "no_block") == 0) {
    char* const p = static_cast<char*>(std::malloc(size));
    std::free(opaque(p));
    malloc_trim(0);
    char* const beside = opaque(p) + offset;
    announce(beside);
    if (!interface_test::owned(beside)) {
      std::puts("not owned");
      return 0;
    }
    std::free(beside);
    return 0;
  }
  return -1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    return 2;
  }
  const size_t size = argc > 2 ? std::strtoull(argv[2], nullptr, 0) : 0;
  const size_t offset = argc > 3 ? std::strtoull(argv[3], nullptr, 0) : 0;
  int result = commit_foreign(argv[1], size);
  if (result < 0) {
    result = commit_double(argv[1], size);
  }
  if (result < 0) {
    result = commit_interior(argv[1], size, offset);
  }
  if (result < 0) {
    std::fprintf(stderr, "no mistake %s\n", argv[1]);
    return 2;
  }
  std::puts("went on");
  return 0;
}
