// The system calls as the explored threads see them: those that wait or change what others see are steps of
// the model, the others are the kernel's. Time stands still, so that each execution is the same as before.
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/mman.h>

#include "model.h"
#include "os/sys.h"

namespace ashlar::os {

namespace real_sys {
intptr_t mmap(void* hint, size_t size, int protection, int flags);
intptr_t munmap(void* start, size_t size);
intptr_t mprotect(void* start, size_t size, int protection);
intptr_t madvise(void* start, size_t size, int advice);
intptr_t mremap(void* start, size_t old_size, size_t new_size, int flags);
intptr_t mincore(void* start, size_t size, unsigned char* vector);
intptr_t sbrk(intptr_t increment);
intptr_t open_read_only(const char* path);
intptr_t read(int fd, void* buffer, size_t size);
intptr_t write(int fd, const void* buffer, size_t size);
intptr_t close(int fd);
bool is_pipe(int fd);
int process_id();
intptr_t membarrier(int command);
intptr_t futex(uint32_t* word, int operation, uint32_t value);
void yield();
void sleep_ns(uint64_t nanoseconds);
intptr_t limit(int resource, uint64_t* soft);
size_t page_size();
}  // namespace real_sys

namespace sys {

namespace {
constexpr intptr_t kTryAgain = -11;  // -EAGAIN
constexpr uint64_t kNow = 1'000'000'000'000;
}  // namespace

intptr_t mmap(void* hint, size_t size, int protection, int flags) {
  return real_sys::mmap(hint, size, protection, flags);
}
intptr_t munmap(void* start, size_t size) { return real_sys::munmap(start, size); }
intptr_t mprotect(void* start, size_t size, int protection) {
  return real_sys::mprotect(start, size, protection);
}
intptr_t mremap(void* start, size_t old_size, size_t new_size, int flags) {
  return real_sys::mremap(start, old_size, new_size, flags);
}
intptr_t mincore(void* start, size_t size, unsigned char* vector) {
  return real_sys::mincore(start, size, vector);
}
intptr_t sbrk(intptr_t increment) { return real_sys::sbrk(increment); }
intptr_t open_read_only(const char* path) { return real_sys::open_read_only(path); }
intptr_t read(int fd, void* buffer, size_t size) { return real_sys::read(fd, buffer, size); }
intptr_t close(int fd) { return real_sys::close(fd); }
bool is_pipe(int fd) { return real_sys::is_pipe(fd); }
int process_id() { return real_sys::process_id(); }
intptr_t limit(int resource, uint64_t* soft) { return real_sys::limit(resource, soft); }
size_t page_size() { return real_sys::page_size(); }
uint64_t monotonic_ns() { return kNow; }

intptr_t write(int fd, const void* buffer, size_t size) {
  if (!model::in_thread()) return real_sys::write(fd, buffer, size);
  model::note_message(static_cast<const char*>(buffer), size);
  return static_cast<intptr_t>(size);
}

intptr_t madvise(void* start, size_t size, int advice) {
  if (!model::in_thread()) return real_sys::madvise(start, size, advice);
  model::discard(start, size);
  return 0;
}

intptr_t membarrier(int command) {
  if (model::in_thread() && command == MEMBARRIER_CMD_PRIVATE_EXPEDITED) {
    model::barrier_of_all();
    return 0;
  }
  return real_sys::membarrier(command);
}

intptr_t futex(uint32_t* word, int operation, uint32_t value) {
  if (!model::in_thread()) return real_sys::futex(word, operation, value);
  if ((operation & FUTEX_CMD_MASK) == FUTEX_WAIT) return model::futex_wait(word, value) ? 0 : kTryAgain;
  model::futex_wake(word);
  return 1;
}

void yield() {
  if (model::in_thread()) return model::wait_for_change();
  real_sys::yield();
}
void sleep_ns(uint64_t nanoseconds) {
  if (model::in_thread()) return model::wait_for_change();
  real_sys::sleep_ns(nanoseconds);
}

}  // namespace sys
}  // namespace ashlar::os
