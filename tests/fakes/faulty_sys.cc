// The system calls with faults: each counts itself, asks whether to fail, and else does the real thing.
#include "fakes/faulty_sys.h"

#include <errno.h>
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
intptr_t membarrier(int);
intptr_t futex(uint32_t*, int, uint32_t);
void yield();
void sleep_ns(uint64_t);
intptr_t limit(int, uint64_t*);
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
constinit std::atomic<size_t> g_open_limit{0};
constinit std::atomic<size_t> g_opened{0};

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
}

void fail_nth(uint64_t nth) {
  g_seen = 0;
  g_nth = nth;
}
bool nth_was_reached() { return g_nth.load() != 0 && g_seen.load() >= g_nth.load(); }
void fail_always(Call call, bool fail) { g_always[static_cast<unsigned>(call)] = fail; }
void fail_mmap_from(size_t bytes) { g_mmap_from = bytes; }
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

intptr_t mmap(void* hint, size_t size, int protection, int flags) {
  const size_t from = fakes::g_mmap_from.load();
  if (fails(Call::kMmap) || (from != 0 && size >= from && fail(Call::kMmap))) return -ENOMEM;
  return real_sys::mmap(hint, size, protection, flags);
}
intptr_t munmap(void* start, size_t size) {
  return fails(Call::kMunmap) ? -ENOMEM : real_sys::munmap(start, size);
}
intptr_t mprotect(void* start, size_t size, int protection) {
  if (fails(Call::kMprotect)) return -ENOMEM;
  if (protection != PROT_NONE) {
    const size_t limit = fakes::g_open_limit.load();
    if (limit != 0 && fakes::g_opened.load() + size > limit && fail(Call::kMprotect)) return -ENOMEM;
    fakes::g_opened += size;
  }
  return real_sys::mprotect(start, size, protection);
}
intptr_t madvise(void* start, size_t size, int advice) {
  return fails(Call::kMadvise) ? -EINVAL : real_sys::madvise(start, size, advice);
}
intptr_t mremap(void* start, size_t old_size, size_t new_size, int flags) {
  return fails(Call::kMremap) ? -ENOMEM : real_sys::mremap(start, old_size, new_size, flags);
}
intptr_t mincore(void* start, size_t size, unsigned char* vector) {
  return fails(Call::kMincore) ? -EAGAIN : real_sys::mincore(start, size, vector);
}
intptr_t sbrk(intptr_t increment) { return fails(Call::kSbrk) ? -ENOMEM : real_sys::sbrk(increment); }
intptr_t open_read_only(const char* path) {
  return fails(Call::kOpen) ? -EACCES : real_sys::open_read_only(path);
}
intptr_t read(int fd, void* buffer, size_t size) {
  return fails(Call::kRead) ? -EIO : real_sys::read(fd, buffer, size);
}
intptr_t membarrier(int command) { return fails(Call::kMembarrier) ? -EPERM : real_sys::membarrier(command); }

intptr_t write(int fd, const void* buffer, size_t size) { return real_sys::write(fd, buffer, size); }
intptr_t close(int fd) { return real_sys::close(fd); }
intptr_t futex(uint32_t* word, int operation, uint32_t value) {
  return real_sys::futex(word, operation, value);
}
void yield() { real_sys::yield(); }
void sleep_ns(uint64_t nanoseconds) { real_sys::sleep_ns(nanoseconds); }
intptr_t limit(int resource, uint64_t* soft) { return real_sys::limit(resource, soft); }
uint64_t monotonic_ns() { return real_sys::monotonic_ns(); }

}  // namespace ashlar::os::sys
