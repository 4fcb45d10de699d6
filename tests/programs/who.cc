// Says from inside a process who serves its malloc: preloaded behind the library under test.
//
// When ASHLAR_WHO names a directory, each program that starts appends to a file there, named by its
// pid and its name: for each symbol one line `symbol file`, as dladdr sees what calls of it go
// to, and a line `strdup yes|no|unknown`: whether a block of libc's own making is one of
// Ashlar's (unknown under another library). Reads nothing, changes nothing, starts no thread.
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern "C" int ashlar_owns(const void* p) __attribute__((weak));

namespace {

constexpr const char* kSymbols[] = {
    "malloc", "free", "calloc", "realloc", "aligned_alloc", "posix_memalign", "malloc_usable_size"};

/// The file that an address belongs to; null for a stub in the procedure linkage table of a program
/// that is not position-independent (/usr/bin/python3 is one): it stands for a function that somebody
/// else defines, and dlsym(RTLD_DEFAULT) finds it first.
const char* defining_file(void* address) {
  Dl_info info{};
  void* entry = nullptr;
  if (address == nullptr || dladdr1(address, &info, &entry, RTLD_DL_SYMENT) == 0) return nullptr;
  const auto* symbol = static_cast<const ElfW(Sym)*>(entry);
  return symbol == nullptr || symbol->st_shndx == SHN_UNDEF ? nullptr : info.dli_fname;
}

/// Where calls of `symbol` go: the first object in the order of the global scope that defines it.
const char* provider(const char* symbol) {
  if (const char* file = defining_file(dlsym(RTLD_DEFAULT, symbol))) return file;
  link_map* object = nullptr;
  void* program = dlopen(nullptr, RTLD_LAZY);
  if (program == nullptr || dlinfo(program, RTLD_DI_LINKMAP, &object) != 0) return nullptr;
  for (object = object->l_next; object != nullptr; object = object->l_next) {
    void* handle = dlopen(object->l_name, RTLD_LAZY | RTLD_NOLOAD);
    const char* file = handle == nullptr ? nullptr : defining_file(dlsym(handle, symbol));
    if (handle != nullptr) dlclose(handle);
    // dlsym searches what the object depends on, too.
    if (file != nullptr && strcmp(file, object->l_name) == 0) return file;
  }
  return nullptr;
}

void append_symbol(int fd, const char* symbol) {
  const char* file = provider(symbol);
  dprintf(fd, "%s %s\n", symbol, file != nullptr ? file : "?");
}

__attribute__((constructor)) void tell() {
  const char* directory = secure_getenv("ASHLAR_WHO");
  if (directory == nullptr) return;
  char path[PATH_MAX];
  const int length =
      snprintf(path, sizeof(path), "%s/%d.%s", directory, getpid(), program_invocation_short_name);
  if (length < 0 || static_cast<size_t>(length) >= sizeof(path)) return;
  const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return;
  for (const char* symbol : kSymbols)
    append_symbol(fd, symbol);
  char* block = strdup("who");
  dprintf(fd, "strdup %s\n", ashlar_owns == nullptr ? "unknown" : ashlar_owns(block) != 0 ? "yes" : "no");
  free(block);
  close(fd);
}

}  // namespace
