// The system calls of Linux. One function, one call; no policy.
#include "os/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "os/raw_syscall.h"

namespace ashlar::os::sys {

namespace {
long word(const volatile void* pointer) { return reinterpret_cast<long>(pointer); }
long word(size_t value) { return static_cast<long>(value); }
}  // namespace

intptr_t mmap(void* hint, size_t size, int protection, int flags) {
  return raw_syscall(SYS_mmap, word(hint), word(size), protection, flags | MAP_PRIVATE | MAP_ANONYMOUS, -1,
                     0);
}

intptr_t munmap(void* start, size_t size) { return raw_syscall(SYS_munmap, word(start), word(size)); }

intptr_t mprotect(void* start, size_t size, int protection) {
  return raw_syscall(SYS_mprotect, word(start), word(size), protection);
}

intptr_t madvise(void* start, size_t size, int advice) {
  return raw_syscall(SYS_madvise, word(start), word(size), advice);
}

intptr_t mremap(void* start, size_t old_size, size_t new_size, int flags) {
  return raw_syscall(SYS_mremap, word(start), word(old_size), word(new_size), flags);
}

intptr_t mincore(void* start, size_t size, unsigned char* vector) {
  return raw_syscall(SYS_mincore, word(start), word(size), word(vector));
}

intptr_t sbrk(intptr_t increment) {
  const int saved = errno;
  void* const before = ::sbrk(increment);
  const bool bad = before == reinterpret_cast<void*>(-1);
  errno = saved;
  return bad ? kNoMemory : reinterpret_cast<intptr_t>(before);
}

intptr_t open_read_only(const char* path) {
  return raw_syscall(SYS_openat, AT_FDCWD, word(path), O_RDONLY | O_CLOEXEC);
}
intptr_t read(int fd, void* buffer, size_t size) {
  return raw_syscall(SYS_read, fd, word(buffer), word(size));
}
intptr_t write(int fd, const void* buffer, size_t size) {
  return raw_syscall(SYS_write, fd, word(buffer), word(size));
}
intptr_t close(int fd) { return raw_syscall(SYS_close, fd); }
bool is_pipe(int fd) {
  struct stat file {};
  return raw_syscall(SYS_fstat, fd, word(&file)) == 0 && S_ISFIFO(file.st_mode);
}

int process_id() { return static_cast<int>(raw_syscall(SYS_getpid)); }

void exit(int status) {
  for (;;)
    raw_syscall(SYS_exit_group, status);
}

intptr_t membarrier(int command) { return raw_syscall(SYS_membarrier, command, 0, 0); }

intptr_t futex(uint32_t* address, int operation, uint32_t value) {
  return raw_syscall(SYS_futex, word(address), operation, static_cast<long>(value), 0);
}

void yield() { raw_syscall(SYS_sched_yield); }

void sleep_ns(uint64_t nanoseconds) {
  const timespec duration{static_cast<time_t>(nanoseconds / 1000000000),
                          static_cast<long>(nanoseconds % 1000000000)};
  raw_syscall(SYS_nanosleep, word(&duration), 0);
}

intptr_t limit(int resource, uint64_t* soft) {
  struct {
    uint64_t soft, hard;
  } limits{};
  const intptr_t result = raw_syscall(SYS_prlimit64, 0, resource, 0, word(&limits));
  *soft = limits.soft;
  return result;
}

size_t page_size() { return getauxval(AT_PAGESZ); }

uint64_t monotonic_ns() {
  // clock_gettime of libc goes through the vDSO: no system call, and errno stays as it is.
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace ashlar::os::sys
