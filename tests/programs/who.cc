// Says from inside a process who serves its malloc: preloaded behind the library under test.
//
// When ASHLAR_WHO names a directory, each program that starts appends to a file there, named by its
// pid and its name: for each symbol one line `symbol file`, as dladdr sees what calls of it go
// to, and a line `strdup yes|no|unknown`: whether a block of libc's own making is one of
// Ashlar's (unknown under another library). Reads nothing, changes nothing, starts no thread.
//
// With ASHLAR_WHO_FORKS set as well, each child that is only forked writes a file fork.PID.NAME with the
// `strdup` line alone: it has its parent's libraries, but a heap that must have survived the fork. By a
// handler of fork, as other people have them; where, and the name, are kept from the start, because servers
// overwrite their arguments and their environment.
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
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

char directory[PATH_MAX];
char name[NAME_MAX];

/// Opens DIRECTORY/PREFIXPID.NAME to append to it; -1 when it can't.
int open_account(const char* prefix) {
  char path[PATH_MAX];
  const int length = snprintf(path, sizeof(path), "%s/%s%d.%s", directory, prefix, getpid(), name);
  if (length < 0 || static_cast<size_t>(length) >= sizeof(path)) return -1;
  return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

void append_strdup(int fd) {
  char* block = strdup("who");
  dprintf(fd, "strdup %s\n", ashlar_owns == nullptr ? "unknown" : ashlar_owns(block) != 0 ? "yes" : "no");
  free(block);
}

void tell_of_the_fork() {
  const int saved = errno;
  const int fd = open_account("fork.");
  if (fd >= 0) {
    append_strdup(fd);
    close(fd);
  }
  errno = saved;
}

/// False when it does not fit.
bool keep(char* to, size_t size, const char* text) {
  const size_t length = strlen(text);
  if (length >= size) return false;
  memcpy(to, text, length + 1);
  return true;
}

__attribute__((constructor)) void tell() {
  const char* wanted = secure_getenv("ASHLAR_WHO");
  if (wanted == nullptr || !keep(directory, sizeof(directory), wanted)) return;
  if (!keep(name, sizeof(name), program_invocation_short_name)) return;
  if (secure_getenv("ASHLAR_WHO_FORKS") != nullptr) pthread_atfork(nullptr, nullptr, tell_of_the_fork);
  const int fd = open_account("");
  if (fd < 0) return;
  for (const char* symbol : kSymbols)
    append_symbol(fd, symbol);
  append_strdup(fd);
  close(fd);
}

}  // namespace
