// An allocator whose every call does known work, for call_work_test.py: malloc makes three system calls and
// touches two fresh pages, free makes one system call that gives back the block's first page. Nothing is used
// twice. For one thread.
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>

namespace {

constexpr size_t kPage = 4096;
constexpr size_t kHeap = size_t{4} << 30;  // addresses

// A fault fills one page and no more.
char* reserve() {
  void* const memory =
      mmap(nullptr, kHeap, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || madvise(memory, kHeap, MADV_NOHUGEPAGE) != 0) _exit(1);
  return static_cast<char*>(memory);
}

void* take(size_t bytes) {
  static char* next = reserve();
  static char* const end = next + kHeap;
  for (int i = 0; i < 3; ++i)
    syscall(SYS_getppid);
  const size_t pages = bytes / kPage + 1;
  if (pages + 2 > static_cast<size_t>(end - next) / kPage) return nullptr;
  static_cast<volatile char*>(next)[0] = 1;
  static_cast<volatile char*>(next)[kPage] = 1;
  char* const block = next + 2 * kPage;
  next = block + pages * kPage;
  return block;
}

}  // namespace

extern "C" void* malloc(size_t bytes) { return take(bytes); }

extern "C" void* calloc(size_t count, size_t bytes) { return take(count * bytes); }

// The contents stay behind: nobody who is measured reads them.
extern "C" void* realloc(void*, size_t bytes) { return take(bytes); }

extern "C" void free(void* block) {
  if (block != nullptr) madvise(block, kPage, MADV_DONTNEED);
}
