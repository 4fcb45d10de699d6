// Prints which file serves each function of the malloc family in a process that is started like
// this one: `race` runs it under every allocator before it measures, so that a preload that
// silently failed, or that lacks a function, is found before hours of wrong figures.
//
// One `name<TAB>file` a line, found as the dynamic loader finds them: with dlsym, then dladdr.
#include <dlfcn.h>
#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <initializer_list>

namespace {

void print_server(const char* name) {
  void* const address = dlsym(RTLD_DEFAULT, name);
  Dl_info info;
  const bool found = address != nullptr && dladdr(address, &info) != 0 && info.dli_fname != nullptr;
  printf("%s\t%s\n", name, found ? info.dli_fname : "?");
}

}  // namespace

int main() {
  void* volatile block = malloc(100);
  const size_t usable = malloc_usable_size(block);
  free(block);
  for (const char* name : {"malloc", "free", "calloc", "realloc", "malloc_usable_size"})
    print_server(name);
  return usable >= 100 ? 0 : 1;
}
