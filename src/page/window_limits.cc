// The window under the limits of its process: what is reserved when RLIMIT_AS is short or comes down, what is
// given back where accessible memory counts (RLIMIT_DATA, vm.overcommit_memory=2), and locked memory.
//
// RLIMIT_AS counts reserved addresses, and an opening by mprotect takes no new ones: a limit that the program
// sets later would be ignored by the heap while every mapping of anybody else failed. So each opening step
// tries what others would: a mapping. Only when that fails the limits are read, and the reservation is cut
// down to what is opened; from then on the window grows by mapping what follows, which the kernel checks. The
// same where the process has locked its memory: RLIMIT_MEMLOCK counts reserved addresses too.
//
// A program may have locked itself into a few system calls by now (seccomp), on pain of death. Once the heap
// has started it therefore makes the ones alone that every malloc makes - mmap, munmap, mprotect, madvise,
// mremap, futex - as long as memory can be had and threads don't wait long for each other
// (docs/decisions/limits.md).
//
// LOCKS: the page lock is held for all of it, but for close_chunk and reopen_chunk, which need none.
#include <sys/mman.h>

#include "os/sys.h"
#include "os/system.h"
#include "page/window.h"

namespace ashlar::page {

using os::sys::failed;

namespace {

constexpr size_t kRoomForOthers = 16 * kMiB;  // the stacks of a thread or two

// The soft limit; `otherwise` where it can't be read.
uint64_t read_limit(int resource, uint64_t otherwise) {
  uint64_t soft = 0;
  return failed(os::sys::limit(resource, &soft)) ? otherwise : soft;
}

// Advice about memory that nobody has touched changes nothing; for locked memory the kernel refuses it.
bool is_locked_memory(uintptr_t start) {
  return os::sys::madvise(reinterpret_cast<void*>(start), os::page_size(), MADV_DONTNEED) ==
         os::sys::kInvalid;
}

}  // namespace

// PERF: two system calls; reading the two limits takes as many.
void Window::probe_room_for_others(Room room) {
  const intptr_t result = os::sys::mmap(nullptr, kRoomForOthers, PROT_NONE, MAP_NORESERVE);
  if (failed(result)) {
    heed_limits(result);
    return;
  }
  const uintptr_t start = static_cast<uintptr_t>(result);
  // What is accessible counts. Locked memory would become resident for it.
  if (room == Room::kAccessible && !is_locked_memory(start) &&
      failed(os::sys::mprotect(reinterpret_cast<void*>(start), kRoomForOthers, PROT_READ | PROT_WRITE))) {
    heed_limits(os::sys::kNoMemory);
  }
  unmap(start, start + kRoomForOthers);
}

void Window::heed_limits(intptr_t refusal) {
  const uint64_t none = os::sys::kNoLimit;
  data_limit_ = read_limit(os::sys::kLimitData, data_limit_ ? 0 : none) != none;
  uint64_t limit = read_limit(os::sys::kLimitAddressSpace, address_limit_);
  if (refusal == os::sys::kAgain) {  // locked memory, of which reserved addresses count too
    const uint64_t locked = read_limit(os::sys::kLimitLocked, limit);
    if (locked < limit) limit = locked;
  }
  const bool refused = refusal != 0 && limit != none && !is_limited();
  if (limit == address_limit_ && !refused) return;
  address_limit_ = limit;
  if (limit == none) limited_ = false;
  if (refused || mapping_end_ - mapping_start_ > limit / 2) give_back_unopened();
}

// The heap behind what is opened, and the metadata for more than the limit lets anybody have.
void Window::give_back_unopened() {
  limited_ = true;
  if (source_ == Source::kMmap) {
    const uintptr_t end = page_address(opened());
    if (unmap(end, mapping_end_)) {
      mapping_end_ = end;
      reserved_pages_ = opened();
    }
    if (unmap(mapping_start_, metadata_start_)) mapping_start_ = metadata_start_;
  }
  const ChunkIndex before = capacity_pages_ / kPagesPerChunk;
  ChunkIndex capacity = before;
  const uint64_t most = address_limit_ >> kChunkShift;
  if (most < capacity) capacity = static_cast<ChunkIndex>(most);
  if (capacity < metadata_chunks_) capacity = metadata_chunks_;
  capacity_pages_ = capacity * kPagesPerChunk;
  const uintptr_t map = reinterpret_cast<uintptr_t>(g_window.map);
  const uintptr_t records = reinterpret_cast<uintptr_t>(chunks_);
  const uintptr_t records_end = metadata_start_ + metadata_bytes_;
  // Only up to where it went back before: others may be behind that by now.
  const auto unmap_rest = [](uintptr_t from, uintptr_t to, uintptr_t end) {
    to = align_up(to, kMetadataAlignment);
    end = align_down(end, kMetadataAlignment);
    unmap(align_up(from, kMetadataAlignment), to < end ? to : end);
  };
  unmap_rest(map + size_t{capacity} * kPagesPerChunk, map + size_t{before} * kPagesPerChunk, records);
  unmap_rest(reinterpret_cast<uintptr_t>(chunks_ + capacity), reinterpret_cast<uintptr_t>(chunks_ + before),
             records_end);
}

// Maps what follows the reservation, if nobody else is there.
bool Window::reserve_up_to(PageCount end) {
  if (end <= reserved()) return true;
  void* const from = reinterpret_cast<void*>(page_address(reserved()));
  const size_t size = pages_to_bytes(end - reserved());
  const intptr_t result = os::sys::mmap(from, size, PROT_NONE, MAP_NORESERVE | MAP_FIXED_NOREPLACE);
  if (failed(result)) return false;
  if (reinterpret_cast<void*>(result) != from) {  // Linux before 4.17 takes the address as a hint
    os::sys::munmap(reinterpret_cast<void*>(result), size);
    return false;
  }
  reserved_pages_ = end;
  mapping_end_ = page_address(end);
  return true;
}

bool Window::give_back_end(PageCount pages) {
  if (source_ != Source::kMmap) return false;
  const PageCount before = opened();
  const PageCount left = before - pages;
  // A stale reading of `pages` in another thread is harmless: no live block lies there.
  g_window.unforwarded_pages.store(0, std::memory_order_relaxed);  // until they ask again
  g_window.pages.store(left, std::memory_order_release);
  if (!unmap(page_address(left), mapping_end_)) {
    g_window.pages.store(before, std::memory_order_release);
    return false;
  }
  reserved_pages_ = left;
  mapping_end_ = page_address(left);
  return true;
}

bool Window::close_chunk(ChunkIndex chunk) {
  void* const start = reinterpret_cast<void*>(page_address(chunk * kPagesPerChunk));
  return !failed(os::sys::mmap(start, kChunkSize, PROT_NONE, MAP_NORESERVE | MAP_FIXED));
}

bool Window::reopen_chunk(ChunkIndex chunk) {
  void* const start = reinterpret_cast<void*>(page_address(chunk * kPagesPerChunk));
  return !failed(os::sys::mprotect(start, kChunkSize, PROT_READ | PROT_WRITE));
}

void Window::note_locked(PageIndex page) { locked_ = is_locked_memory(page_address(page)); }

}  // namespace ashlar::page
