/* A program with a malloc of its own under a preloaded Ashlar: not ours to serve, so its RTLD_DEEPBIND holds,
 * and the plug-in's malloc is libc's. deep_own_malloc PLUGIN */
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

/* Nothing comes back. */
static _Alignas(64) char g_memory[16 << 20];
static size_t g_used;

static void* take(size_t size, size_t alignment) {
  const size_t start = (__atomic_fetch_add(&g_used, size + alignment, __ATOMIC_RELAXED) + alignment + 15) & -alignment;
  return start + size <= sizeof g_memory ? g_memory + start : NULL;
}
static int is_mine(const void* p) {
  return (uintptr_t)p - (uintptr_t)g_memory < sizeof g_memory;
}

void* malloc(size_t size) { return take(size, 16); }
void free(void* p) { (void)p; }
void* calloc(size_t count, size_t size) { return take(count * size, 16); }
void* memalign(size_t alignment, size_t size) { return take(size, alignment); }
void* aligned_alloc(size_t alignment, size_t size) { return take(size, alignment); }
void* realloc(void* p, size_t size) {
  char* block = take(size, 16);
  const size_t behind = is_mine(p) ? (size_t)(g_memory + sizeof g_memory - (char*)p) : 0;
  if (p != NULL && block != NULL) memmove(block, p, size < behind ? size : behind);
  return block;
}

int main(int count, char** arguments) {
  start_watchdog();
  CHECK(count == 2 && is_mine(malloc(1)));
  int (*owns)(const void*) = (int (*)(const void*))dlsym(RTLD_DEFAULT, "ashlar_owns");
  CHECK(owns != NULL);
  void* plugin = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
  CHECK(plugin != NULL);
  void* (*block_of_plugin)(void) = (void* (*)(void))dlsym(plugin, "plugin_block");
  CHECK(block_of_plugin != NULL);
  void* block = block_of_plugin();
  CHECK(block != NULL && !is_mine(block) && !owns(block));
  return 0;
}
