// Reads /proc/self with open and read into a stack buffer: a reading must not disturb the allocator
// that it measures. Uses nothing of libstdc++, so that `one_block` links without it.
#include "support/memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace ashlar::bench {

namespace {

constexpr size_t kMib = size_t{1} << 20;

// The whole of a small file, as a string; its length, 0 on any error.
size_t read_file(const char* path, char* buffer, size_t capacity) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  size_t length = 0;
  while (length + 1 < capacity) {
    const ssize_t got = read(fd, buffer + length, capacity - 1 - length);
    if (got <= 0) break;
    length += static_cast<size_t>(got);
  }
  close(fd);
  buffer[length] = '\0';
  return length;
}

}  // namespace

size_t read_kib_field(const char* file, const char* field) {
  char buffer[4096];
  if (read_file(file, buffer, sizeof buffer) == 0) return 0;
  const size_t field_length = strlen(field);
  for (const char* line = buffer; line != nullptr; line = strchr(line, '\n')) {
    if (*line == '\n') ++line;
    if (strncmp(line, field, field_length) == 0) return strtoul(line + field_length, nullptr, 10);
  }
  return 0;
}

size_t resident_kib() { return read_kib_field("/proc/self/smaps_rollup", "Rss:"); }

size_t anonymous_kib() { return read_kib_field("/proc/self/smaps_rollup", "Anonymous:"); }

size_t peak_kib() { return read_kib_field("/proc/self/status", "VmHWM:"); }

bool reset_peak() {
  const int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool done = write(fd, "5", 1) == 1;
  close(fd);
  return done;
}

void warm_memory(size_t mib) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t bytes = mib * kMib;
  if (bytes == 0) return;
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return;
  for (size_t at = 0; at < bytes; at += page)
    static_cast<volatile char*>(memory)[at] = 1;
  munmap(memory, bytes);
}

}  // namespace ashlar::bench
