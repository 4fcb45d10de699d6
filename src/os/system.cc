#include "os/system.h"

#include <sys/auxv.h>
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

size_t cgroup_limit() {
  char buffer[64];
  static constexpr const char* kPaths[] = {"/sys/fs/cgroup/memory.max",
                                           "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
  for (const char* const path : kPaths) {
    if (read_small_file(path, buffer, sizeof buffer) > 0) return parse_number(buffer, SIZE_MAX);
  }
  return SIZE_MAX;
}

}  // namespace

size_t page_size() {
  // ORDER: relaxed: racing threads store the same value.
  static constinit std::atomic<size_t> known{0};
  size_t size = known.load(std::memory_order_relaxed);
  if (size == 0) {
    size = getauxval(AT_PAGESZ);
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
  size_t length = 0;
  while (length < size - 1) {
    const intptr_t got = sys::read(static_cast<int>(fd), buffer + length, size - 1 - length);
    if (got <= 0) break;
    length += static_cast<size_t>(got);
  }
  sys::close(static_cast<int>(fd));
  buffer[length] = 0;
  return length;
}

}  // namespace ashlar::os
