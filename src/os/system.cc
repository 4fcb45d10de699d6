#include "os/system.h"

#include <unistd.h>

#include <atomic>

#include "base/types.h"
#include "os/sys.h"

namespace ashlar::os {

namespace {

__attribute__((tls_model("initial-exec"))) constinit thread_local char t_token = 0;

// The first decimal number in text, or `otherwise`. Stops at the first character that is no digit.
size_t parse_number(const char* text, size_t otherwise) {
  while (*text != 0 && (*text < '0' || *text > '9')) {
    if (*text == 'm') return otherwise;  // cgroup v2: "max"
    ++text;
  }
  if (*text == 0) return otherwise;
  size_t value = 0;
  for (; *text >= '0' && *text <= '9'; ++text) {
    if (value > SIZE_MAX / 10 - 10) return otherwise;
    value = value * 10 + static_cast<size_t>(*text - '0');
  }
  return value;
}

// A path under construction, cut off when it is too long: then no such file exists.
class Path {
 public:
  Path& text(const char* text, size_t length) {
    for (size_t i = 0; i < length && length_ < sizeof buffer_ - 1; ++i)
      buffer_[length_++] = text[i];
    buffer_[length_] = 0;
    return *this;
  }
  Path& text(const char* text) {
    size_t length = 0;  // strlen may not be there yet, where the first allocation comes from a resolver
    while (text[length] != 0)
      ++length;
    return this->text(text, length);
  }
  const char* c_str() const { return buffer_; }

 private:
  char buffer_[512];
  size_t length_ = 0;
};

// The lowest limit among a cgroup and those that it lies in: `name` of `length` characters is its path below
// `mount`, "/" for the root. In a container the path may be the host's, of which nothing is there but the
// root.
size_t lowest_limit(const char* mount, const char* name, size_t length, const char* file) {
  size_t lowest = SIZE_MAX;
  for (;;) {
    while (length > 0 && name[length - 1] == '/')
      --length;
    Path path;
    path.text(mount).text(name, length).text("/").text(file);
    char buffer[32];
    if (read_small_file(path.c_str(), buffer, sizeof buffer) > 0) {
      const size_t limit = parse_number(buffer, SIZE_MAX);
      if (limit < lowest) lowest = limit;
    }
    if (length == 0) return lowest;
    while (length > 0 && name[length - 1] != '/')
      --length;
  }
}

bool starts_with(const char* text, const char* start) {
  for (; *start != 0; ++start, ++text) {
    if (*text != *start) return false;
  }
  return true;
}

// The memory limit of this process's cgroup, version 2 or 1. /proc/self/cgroup has a line for each hierarchy:
// "0::/path" for version 2, "5:memory:/path" for version 1's.
size_t cgroup_limit() {
  char buffer[4096];  // a dozen lines of 140 characters, in containers of version 1
  size_t limit = SIZE_MAX;
  const size_t length = read_small_file("/proc/self/cgroup", buffer, sizeof buffer);
  if (length == 0) limit = lowest_limit("/sys/fs/cgroup", "", 0, "memory.max");
  for (const char *line = buffer, *end = buffer + length; line < end;) {
    const char* next = line;
    while (next < end && *next != '\n')
      ++next;
    const char* controllers = line;
    while (controllers < next && *controllers != ':')
      ++controllers;
    const char* path = controllers < next ? controllers + 1 : next;
    while (path < next && *path != ':')
      ++path;
    const char* const mount = starts_with(controllers, "::")         ? "/sys/fs/cgroup"
                              : starts_with(controllers, ":memory:") ? "/sys/fs/cgroup/memory"
                                                                     : nullptr;
    if (mount != nullptr && path < next) {
      const bool second = controllers[1] == ':';
      const size_t found = lowest_limit(mount, path + 1, static_cast<size_t>(next - path - 1),
                                        second ? "memory.max" : "memory.limit_in_bytes");
      if (found < limit) limit = found;
    }
    line = next + 1;
  }
  return limit;
}

}  // namespace

size_t page_size() {
  // ORDER: relaxed: racing threads store the same value.
  static constinit std::atomic<size_t> known{0};
  size_t size = known.load(std::memory_order_relaxed);
  if (size == 0) {
    size = sys::page_size();
    if (size < kPageSize) size = kPageSize;
    known.store(size, std::memory_order_relaxed);
  }
  return size;
}

size_t memory_size() {
  char buffer[128];
  size_t memory = 4096 * kMiB;
  if (read_small_file("/proc/meminfo", buffer, sizeof buffer) > 9) {  // "MemTotal:   16384 kB"
    memory = parse_number(buffer + 9, memory / kKiB) * kKiB;
  }
  const size_t limit = cgroup_limit();
  return limit < memory ? limit : memory;
}

size_t resident_size() {
  char buffer[128];
  if (read_small_file("/proc/self/statm", buffer, sizeof buffer) == 0) return 0;
  const char* second = buffer;
  while (*second != 0 && *second != ' ')
    ++second;
  return parse_number(second, 0) * page_size();
}

uintptr_t thread_token() { return reinterpret_cast<uintptr_t>(&t_token); }

bool libc_started() { return environ != nullptr; }

size_t read_small_file(const char* path, char* buffer, size_t size) {
  const intptr_t fd = sys::open_read_only(path);
  if (sys::failed(fd)) return 0;
  const intptr_t got = sys::read(static_cast<int>(fd), buffer, size - 1);
  const size_t length = got > 0 ? static_cast<size_t>(got) : 0;
  sys::close(static_cast<int>(fd));
  buffer[length] = 0;
  return length;
}

}  // namespace ashlar::os
