// The system calls with faults: each counts itself, asks whether to fail, and else does the real thing.
#include "fakes/faulty_sys.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <atomic>

#include "os/sys.h"

namespace ashlar::os::real_sys {
intptr_t mmap(void*, size_t, int, int);
intptr_t munmap(void*, size_t);
intptr_t mprotect(void*, size_t, int);
intptr_t madvise(void*, size_t, int);
intptr_t mremap(void*, size_t, size_t, int);
intptr_t mincore(void*, size_t, unsigned char*);
intptr_t sbrk(intptr_t);
intptr_t open_read_only(const char*);
intptr_t read(int, void*, size_t);
intptr_t write(int, const void*, size_t);
intptr_t close(int);
bool is_pipe(int);
int process_id();
intptr_t membarrier(int);
intptr_t futex(uint32_t*, int, uint32_t);
void yield();
void sleep_ns(uint64_t);
intptr_t limit(int, uint64_t*);
size_t page_size();
uint64_t monotonic_ns();
}  // namespace ashlar::os::real_sys

namespace ashlar::fakes {

namespace {

constexpr unsigned kCalls = static_cast<unsigned>(Call::kCount);

constinit std::atomic<uint64_t> g_nth{0};
constinit std::atomic<uint64_t> g_seen{0};
constinit std::atomic<bool> g_always[kCalls];
constinit std::atomic<uint64_t> g_counts[kCalls];
constinit std::atomic<uint64_t> g_failures[kCalls];
constinit std::atomic<size_t> g_mmap_from{0};
constinit std::atomic<int> g_mmap_error{ENOMEM};
constinit std::atomic<size_t> g_open_limit{0};
constinit std::atomic<size_t> g_opened{0};
constinit std::atomic<size_t> g_page_size{0};
constinit std::atomic<uintptr_t> g_highest_hint{0};
constinit std::atomic<uint64_t> g_misaligned{0};

struct File {
  const char* path;
  const char* text;
  size_t at;
};
constexpr int kMostFiles = 8;
constexpr int kFirstFakeFile = 1'000'000;  // far above any real descriptor
constinit File g_files[kMostFiles] = {};
constinit int g_file_count = 0;
constinit bool g_others_hidden = false;

constinit RangeObserver g_mapped = nullptr;
constinit RangeObserver g_unmapped = nullptr;

constinit char* g_break_start = nullptr;
constinit char* g_break = nullptr;
constinit size_t g_break_room = 0;

constinit std::atomic<uint64_t> g_clock{0};

constexpr int kMostLimits = 16;
constinit uint64_t g_limits[kMostLimits] = {};
constinit bool g_has_limit[kMostLimits] = {};

// True if the kernel of the fake would refuse these for not lying on its pages.
bool misaligned(const void* start, size_t size) {
  const size_t page = g_page_size.load();
  if (page == 0 || (reinterpret_cast<uintptr_t>(start) % page == 0 && size % page == 0)) return false;
  ++g_misaligned;
  return true;
}

// As the real one, but at a multiple of the fake's page: maps more and cuts the ends off.
intptr_t map_on_pages(void* hint, size_t size, int protection, int flags) {
  const size_t page = g_page_size.load();
  if (page == 0 || (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0)
    return os::real_sys::mmap(hint, size, protection, flags);
  size = (size + page - 1) / page * page;
  const intptr_t result = os::real_sys::mmap(hint, size + page, protection, flags);
  if (os::sys::failed(result)) return result;
  const uintptr_t first = static_cast<uintptr_t>(result);
  const uintptr_t start = (first + page - 1) / page * page;
  if (start > first) os::real_sys::munmap(reinterpret_cast<void*>(first), start - first);
  if (start < first + page) os::real_sys::munmap(reinterpret_cast<void*>(start + size), first + page - start);
  return static_cast<intptr_t>(start);
}

// What mremap does, for mappings on the fake's pages.
intptr_t move_on_pages(void* start, size_t old_size, size_t new_size) {
  char* const old = static_cast<char*>(start);
  if (new_size <= old_size) {
    if (new_size < old_size) os::real_sys::munmap(old + new_size, old_size - new_size);
    return reinterpret_cast<intptr_t>(start);
  }
  const intptr_t target = map_on_pages(nullptr, new_size, PROT_READ | PROT_WRITE, 0);
  if (os::sys::failed(target)) return target;
  memcpy(reinterpret_cast<void*>(target), start, old_size);
  os::real_sys::munmap(start, old_size);
  return target;
}

// What mincore does: one byte for each of the fake's pages.
intptr_t residency_of_pages(void* start, size_t size, unsigned char* vector) {
  const size_t page = g_page_size.load();
  unsigned char real[64];  // pages of 4 KiB in one of at most 256 KiB
  for (size_t done = 0; done < size; done += page) {
    const intptr_t result = os::real_sys::mincore(static_cast<char*>(start) + done, page, real);
    if (os::sys::failed(result)) return result;
    unsigned char any = 0;
    for (size_t i = 0; i < page / 4096; ++i)
      any |= real[i];
    vector[done / page] = any;
  }
  return 0;
}

void note_mapped(intptr_t result, size_t size) {
  if (g_mapped != nullptr && !os::sys::failed(result)) g_mapped(static_cast<uintptr_t>(result), size);
}
void note_unmapped(intptr_t result, const void* start, size_t size) {
  if (g_unmapped != nullptr && !os::sys::failed(result)) g_unmapped(reinterpret_cast<uintptr_t>(start), size);
}

intptr_t move_break(intptr_t increment) {
  char* const before = g_break;
  const intptr_t target = before - g_break_start + increment;
  if (target < 0 || static_cast<size_t>(target) > g_break_room) return -ENOMEM;
  g_break = before + increment;
  if (increment < 0) memset(g_break, 0, static_cast<size_t>(-increment));
  return reinterpret_cast<intptr_t>(before);
}

bool fail(Call call) {
  ++g_failures[static_cast<unsigned>(call)];
  return true;
}

// Counts the call; true if it is to fail.
bool fails(Call call) {
  const unsigned index = static_cast<unsigned>(call);
  ++g_counts[index];
  if (++g_seen == g_nth.load()) return fail(call);
  return g_always[index].load() && fail(call);
}

}  // namespace

void reset() {
  fail_nth(0);
  for (unsigned i = 0; i < kCalls; ++i) {
    g_always[i] = false;
    g_counts[i] = 0;
    g_failures[i] = 0;
  }
  fail_mmap_from(0);
  limit_opened(0);
  g_highest_hint = 0;
  g_misaligned = 0;
  g_file_count = 0;
  g_others_hidden = false;
  for (bool& has : g_has_limit)
    has = false;
}

uint64_t misaligned_calls() { return g_misaligned.load(); }
void set_page_size(size_t bytes) { g_page_size = bytes; }
uintptr_t highest_hint() { return g_highest_hint.load(); }
void set_limit(int resource, uint64_t soft) {
  g_limits[resource] = soft;
  g_has_limit[resource] = true;
}
void set_file(const char* path, const char* text) {
  for (int i = 0; i < g_file_count; ++i) {
    if (strcmp(g_files[i].path, path) == 0) {
      g_files[i].text = text;
      return;
    }
  }
  if (g_file_count == kMostFiles) __builtin_trap();
  g_files[g_file_count++] = {path, text, 0};
}

void hide_other_files(bool hide) { g_others_hidden = hide; }
void observe_mappings(RangeObserver mapped, RangeObserver unmapped) {
  g_mapped = mapped;
  g_unmapped = unmapped;
}
void set_break(char* start, size_t size) {
  g_break_start = g_break = start;
  g_break_room = size;
}
void set_clock(uint64_t nanoseconds) { g_clock = nanoseconds; }

void fail_nth(uint64_t nth) {
  g_seen = 0;
  g_nth = nth;
}
bool nth_was_reached() { return g_nth.load() != 0 && g_seen.load() >= g_nth.load(); }
void fail_always(Call call, bool fail) { g_always[static_cast<unsigned>(call)] = fail; }
void fail_mmap_from(size_t bytes, int error) {
  g_mmap_from = bytes;
  g_mmap_error = error;
}
void limit_opened(size_t bytes) {
  g_opened = 0;
  g_open_limit = bytes;
}
uint64_t calls(Call call) { return g_counts[static_cast<unsigned>(call)].load(); }
uint64_t failures(Call call) { return g_failures[static_cast<unsigned>(call)].load(); }

}  // namespace ashlar::fakes

namespace ashlar::os::sys {

using fakes::Call;
using fakes::fail;
using fakes::fails;
using fakes::misaligned;

intptr_t mmap(void* hint, size_t size, int protection, int flags) {
  const size_t from = fakes::g_mmap_from.load();
  if (fails(Call::kMmap)) return -ENOMEM;
  if (from != 0 && size >= from && fail(Call::kMmap)) return -fakes::g_mmap_error.load();
  const uintptr_t address = reinterpret_cast<uintptr_t>(hint);
  if (address > fakes::g_highest_hint.load()) fakes::g_highest_hint = address;
  if (misaligned(hint, 0)) return -EINVAL;
  const intptr_t result = fakes::map_on_pages(hint, size, protection, flags);
  fakes::note_mapped(result, size);
  return result;
}
intptr_t munmap(void* start, size_t size) {
  if (fails(Call::kMunmap)) return -ENOMEM;
  const intptr_t result = misaligned(start, size) ? -EINVAL : real_sys::munmap(start, size);
  fakes::note_unmapped(result, start, size);
  return result;
}
intptr_t mprotect(void* start, size_t size, int protection) {
  if (fails(Call::kMprotect)) return -ENOMEM;
  if (misaligned(start, size)) return -EINVAL;
  if (protection != PROT_NONE) {
    const size_t limit = fakes::g_open_limit.load();
    if (limit != 0 && fakes::g_opened.load() + size > limit && fail(Call::kMprotect)) return -ENOMEM;
    fakes::g_opened += size;
  }
  return real_sys::mprotect(start, size, protection);
}
intptr_t madvise(void* start, size_t size, int advice) {
  return fails(Call::kMadvise) || misaligned(start, size) ? -EINVAL : real_sys::madvise(start, size, advice);
}
intptr_t mremap(void* start, size_t old_size, size_t new_size, int flags) {
  if (fails(Call::kMremap)) return -ENOMEM;
  if (misaligned(start, old_size) || misaligned(nullptr, new_size)) return -EINVAL;
  const intptr_t result = fakes::g_page_size.load() == 0 ? real_sys::mremap(start, old_size, new_size, flags)
                                                         : fakes::move_on_pages(start, old_size, new_size);
  fakes::note_unmapped(result, start, old_size);
  fakes::note_mapped(result, new_size);
  return result;
}
intptr_t mincore(void* start, size_t size, unsigned char* vector) {
  if (fails(Call::kMincore)) return -EAGAIN;
  if (misaligned(start, 0)) return -EINVAL;
  return fakes::g_page_size.load() == 0 ? real_sys::mincore(start, size, vector)
                                        : fakes::residency_of_pages(start, size, vector);
}
intptr_t sbrk(intptr_t increment) {
  if (fails(Call::kSbrk)) return -ENOMEM;
  return fakes::g_break_start != nullptr ? fakes::move_break(increment) : real_sys::sbrk(increment);
}
intptr_t open_read_only(const char* path) {
  if (fails(Call::kOpen)) return -EACCES;
  for (int i = 0; i < fakes::g_file_count; ++i) {
    if (strcmp(fakes::g_files[i].path, path) != 0) continue;
    fakes::g_files[i].at = 0;
    return fakes::g_files[i].text == nullptr ? -ENOENT : fakes::kFirstFakeFile + i;
  }
  return fakes::g_others_hidden ? -ENOENT : real_sys::open_read_only(path);
}
intptr_t read(int fd, void* buffer, size_t size) {
  if (fails(Call::kRead)) return -EIO;
  if (fd < fakes::kFirstFakeFile) return real_sys::read(fd, buffer, size);
  fakes::File& file = fakes::g_files[fd - fakes::kFirstFakeFile];
  const size_t left = strlen(file.text) - file.at;
  const size_t count = size < left ? size : left;
  memcpy(buffer, file.text + file.at, count);
  file.at += count;
  return static_cast<intptr_t>(count);
}
intptr_t membarrier(int command) { return fails(Call::kMembarrier) ? -EPERM : real_sys::membarrier(command); }

intptr_t write(int fd, const void* buffer, size_t size) { return real_sys::write(fd, buffer, size); }
intptr_t close(int fd) { return fd < fakes::kFirstFakeFile ? real_sys::close(fd) : 0; }
bool is_pipe(int fd) { return real_sys::is_pipe(fd); }
int process_id() { return real_sys::process_id(); }
intptr_t futex(uint32_t* word, int operation, uint32_t value) {
  return real_sys::futex(word, operation, value);
}
void yield() { real_sys::yield(); }
void sleep_ns(uint64_t nanoseconds) { real_sys::sleep_ns(nanoseconds); }
intptr_t limit(int resource, uint64_t* soft) {
  if (resource < fakes::kMostLimits && fakes::g_has_limit[resource]) {
    *soft = fakes::g_limits[resource];
    return 0;
  }
  return real_sys::limit(resource, soft);
}
size_t page_size() {
  const size_t fake = fakes::g_page_size.load();
  return fake != 0 ? fake : real_sys::page_size();
}
uint64_t monotonic_ns() {
  const uint64_t fake = fakes::g_clock.load();
  return fake != 0 ? fake : real_sys::monotonic_ns();
}

}  // namespace ashlar::os::sys
