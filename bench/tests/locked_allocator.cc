// An allocator with a known number of locked instructions, for locked_instructions_test.py: libc's, with
// three in each malloc and two in each free. One of the latter lies in a section of its own, for which
// callgrind names no file.
#include <cstddef>

extern "C" void* __libc_malloc(size_t bytes);
extern "C" void __libc_free(void* block);

namespace {

alignas(64) unsigned long counter;
alignas(64) unsigned long word;

[[gnu::noinline, gnu::section("apart")]] void add_apart() {
  asm volatile("lock addq $1, %0" : "+m"(counter));
}

}  // namespace

extern "C" void* malloc(size_t bytes) {
  asm volatile("lock addq $1, %0" : "+m"(counter));
  asm volatile("lock xaddq %%rax, %0" : "+m"(counter) : : "rax");
  asm volatile("lock decq %0" : "+m"(counter));
  asm volatile("addq $1, %0" : "+m"(counter));
  return __libc_malloc(bytes);
}

extern "C" void free(void* block) {
  asm volatile("xchgq %%rax, %0" : "+m"(word) : : "rax");
  asm volatile("xchgq %%rax, %%rcx" : : : "rax", "rcx");
  add_apart();
  __libc_free(block);
}
