// The shared helpers of the interface tests. See support.h.
#include "support.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdio>
#include <cstdlib>

namespace interface_test {
namespace {

std::string resolved(const char* path) {
  char buffer[PATH_MAX];
  return path != nullptr && realpath(path, buffer) != nullptr ? std::string(buffer) : std::string();
}

unsigned char pattern(size_t index, unsigned seed) {
  return static_cast<unsigned char>((index * 31 + (index >> 8)) ^ seed);
}

}  // namespace

void* find_symbol(const char* name) { return dlsym(RTLD_DEFAULT, name); }

std::string file_of(const void* address) {
  Dl_info info{};
  return dladdr(address, &info) != 0 ? resolved(info.dli_fname) : std::string();
}

std::string expected_library() { return resolved(std::getenv("ASHLAR_LIBRARY")); }

bool owned(const void* p) {
  static auto* const owns = find_function<int(const void*)>("ashlar_owns");
  return owns == nullptr || owns(p) != 0;
}

// Without stdio, whose buffer would be an allocation of its own.
size_t resident_bytes() {
  const int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  char text[256] = "";
  const ssize_t got = file < 0 ? -1 : read(file, text, sizeof text - 1);
  if (file >= 0) {
    close(file);
  }
  size_t size = 0;
  size_t resident = 0;
  const int fields = got > 0 ? std::sscanf(text, "%zu %zu", &size, &resident) : 0;
  // An emulator passes the host's file on, in the host's pages, whatever pages the program is shown.
  const size_t page = kEmulated ? 4096 : static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return fields == 2 ? resident * page : 0;
}

std::unique_ptr<Stats> read_stats() {
  static auto* const read = find_function<int(Stats*)>("ashlar_stats");
  if (read == nullptr) {
    return nullptr;
  }
  auto stats = std::make_unique<Stats>();
  stats->struct_size = sizeof(Stats);
  return read(stats.get()) == 0 ? std::move(stats) : nullptr;
}

size_t live_bytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

int heap_faults() {
  static auto* const verify = find_function<int(int)>("ashlar_verify");
  return verify == nullptr ? 0 : verify(STDERR_FILENO);
}

void fill(void* p, size_t bytes, unsigned seed) {
  auto* const bytes_of = static_cast<unsigned char*>(p);
  for (size_t i = 0; i < bytes; ++i) {
    bytes_of[i] = pattern(i, seed);
  }
}

bool filled(const void* p, size_t bytes, unsigned seed) {
  const auto* const bytes_of = static_cast<const unsigned char*>(p);
  for (size_t i = 0; i < bytes; ++i) {
    if (bytes_of[i] != pattern(i, seed)) {
      return false;
    }
  }
  return true;
}

bool all_zero(const void* p, size_t bytes) {
  const auto* const first = static_cast<const unsigned char*>(p);
  return std::all_of(first, first + bytes, [](unsigned char byte) { return byte == 0; });
}

const std::vector<size_t>& sizes_of_every_path() {
  static const std::vector<size_t> sizes = {
      0,          1,          7,    8,        15,       16,        17,        24,        100,       512,
      513,        1000,       1024, 4095,     4096,     4097,      10000,     32 * kKiB, 33 * kKiB, 64 * kKiB,
      100 * kKiB, 256 * kKiB, kMiB, kMiB + 1, 3 * kMiB, 10 * kMiB, 31 * kMiB, 33 * kMiB, 70 * kMiB};
  return sizes;
}

}  // namespace interface_test
