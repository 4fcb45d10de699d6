#include "page/window.h"

#include <sys/mman.h>

#include "os/fatal.h"
#include "os/sys.h"
#include "os/system.h"

namespace ashlar::page {

using os::sys::failed;

constinit WindowView g_window{};
constinit Window g_window_owner;

namespace {

constexpr size_t kHeapAlignment = 2 * kMiB;  // a huge page of x86-64 and of aarch64 with 4 KiB pages
constexpr size_t kFirstLimited = 1;          // chunks reserved at first where addresses are scarce
constexpr ChunkIndex kMetadataStep = 64;     // chunk records opened at once: 768 KiB of addresses

// Maps `total` bytes, with `room` bytes above it that nobody is likely to take soon: the kernel places one
// mapping below the other, so it is placed lower than the kernel would by itself.
intptr_t map_below_room(size_t total, size_t room) {
  const intptr_t first = os::sys::mmap(nullptr, total, PROT_NONE, MAP_NORESERVE);
  if (failed(first) || room == 0 || static_cast<size_t>(first) < 2 * room) return first;
  const uintptr_t lower = static_cast<uintptr_t>(first) - align_up(room, kHeapAlignment);
  os::sys::munmap(reinterpret_cast<void*>(first), total);
  return os::sys::mmap(reinterpret_cast<void*>(lower), total, PROT_NONE, MAP_NORESERVE);
}

struct MetadataSizes {
  size_t summaries, map, chunks, all;
};

MetadataSizes metadata_sizes(size_t chunks) {
  MetadataSizes sizes{};
  const size_t groups = (chunks + kChunksPerGroup - 1) / kChunksPerGroup;
  const size_t supers = (groups + kGroupsPerSuper - 1) / kGroupsPerSuper;
  sizes.summaries = align_up((groups + supers) * sizeof(SummaryMeta), kMetadataAlignment);
  sizes.map = align_up(chunks * kPagesPerChunk, kMetadataAlignment);
  sizes.chunks = align_up(chunks * sizeof(ChunkMeta), kMetadataAlignment);
  sizes.all = sizes.summaries + sizes.map + sizes.chunks;
  return sizes;
}

}  // namespace

bool unmap(uintptr_t start, uintptr_t end) {
  return start < end && !failed(os::sys::munmap(reinterpret_cast<void*>(start), end - start));
}

bool Window::reserve(size_t bytes, size_t capacity, Source source) {
  source_ = source;
  heed_limits();
  char mode[8];
  strict_commit_ =
      os::read_small_file("/proc/sys/vm/overcommit_memory", mode, sizeof mode) > 0 && mode[0] == '2';
  size_t size = align_up(bytes, kChunkSize);
  for (; size > kSmallestWindow; size = align_up(size / 2, kChunkSize)) {
    if (try_reserve(size >> kChunkShift, (size > capacity ? size : capacity) >> kChunkShift)) return true;
  }
  const size_t chunks = size >> kChunkShift;
  return size > 0 && (try_reserve(chunks, (size > capacity ? size : capacity) >> kChunkShift) ||
                      try_reserve(chunks, chunks));
}

// PRECONDITION: chunks > 0. Leaves nothing behind on failure.
bool Window::try_reserve(size_t chunks, size_t capacity) {
  const bool with_heap = source_ == Source::kMmap;
  limited_ = with_heap && (chunks << kChunkShift) > address_limit_ / 2;
  if (is_limited()) {
    const size_t most = address_limit_ >> kChunkShift;
    if (capacity > most) capacity = most;
    chunks = kFirstLimited;
    if (capacity < chunks) return false;
  }
  const MetadataSizes sizes = metadata_sizes(capacity);
  const size_t total = sizes.all + (with_heap ? chunks * kChunkSize + kHeapAlignment : 0);
  const size_t room = with_heap ? (capacity - chunks) * kChunkSize : 0;
  const intptr_t result = map_below_room(total, room);
  if (failed(result)) return false;
  // The heap starts on its alignment, the metadata directly below it, so that slack is at both ends.
  const uintptr_t start = static_cast<uintptr_t>(result);
  const uintptr_t heap = with_heap ? align_up(start + sizes.all, kHeapAlignment) : start + sizes.all;
  metadata_start_ = heap - sizes.all;
  if (failed(os::sys::mprotect(reinterpret_cast<void*>(metadata_start_), sizes.summaries,
                               PROT_READ | PROT_WRITE))) {
    unmap(start, start + total);
    return false;
  }
  mapping_start_ = start;
  mapping_end_ = start + total;
  if (with_heap) {
    g_window.base = heap;
  } else {
    const intptr_t break_now = os::sys::sbrk(0);
    if (failed(break_now)) {
      unmap(start, start + total);
      return false;
    }
    g_window.base = align_up(static_cast<uintptr_t>(break_now), kChunkSize);
  }
  if (room > 0) {  // it is to grow where the slack is
    unmap(mapping_start_, metadata_start_);
    mapping_start_ = metadata_start_;
    unmap(heap + chunks * kChunkSize, mapping_end_);
    mapping_end_ = heap + chunks * kChunkSize;
  }
  metadata_bytes_ = sizes.all;
  summaries_ = reinterpret_cast<SummaryMeta*>(metadata_start_);
  g_window.map = reinterpret_cast<uint8_t*>(metadata_start_ + sizes.summaries);
  chunks_ = reinterpret_cast<ChunkMeta*>(metadata_start_ + sizes.summaries + sizes.map);
  reserved_pages_ = static_cast<PageCount>((with_heap ? chunks : capacity) * kPagesPerChunk);
  capacity_pages_ = static_cast<PageCount>(capacity * kPagesPerChunk);
  metadata_chunks_ = 0;
  return true;
}

bool Window::open_metadata(PageCount end) {
  const ChunkIndex need = (end + kPagesPerChunk - 1) / kPagesPerChunk;
  if (need <= metadata_chunks_) return true;
  const ChunkIndex all = capacity_pages_ / kPagesPerChunk;
  ChunkIndex target = static_cast<ChunkIndex>(align_up(need, kMetadataStep));
  if (target > all) target = all;
  // The page map first: 256 bytes a chunk.
  const uintptr_t map = reinterpret_cast<uintptr_t>(g_window.map);
  const uintptr_t map_from = align_down(map + size_t{metadata_chunks_} * kPagesPerChunk, kMetadataAlignment);
  const uintptr_t map_to = align_up(map + size_t{target} * kPagesPerChunk, kMetadataAlignment);
  if (failed(
          os::sys::mprotect(reinterpret_cast<void*>(map_from), map_to - map_from, PROT_READ | PROT_WRITE))) {
    return false;
  }
  const uintptr_t from =
      align_down(reinterpret_cast<uintptr_t>(chunks_ + metadata_chunks_), kMetadataAlignment);
  uintptr_t to = align_up(reinterpret_cast<uintptr_t>(chunks_ + target), kMetadataAlignment);
  const uintptr_t limit = metadata_start_ + metadata_bytes_;
  if (to > limit) to = limit;  // the metadata of a break need not end on its alignment
  if (failed(os::sys::mprotect(reinterpret_cast<void*>(from), to - from, PROT_READ | PROT_WRITE)))
    return false;
  metadata_chunks_ = target;
  return true;
}

PageCount Window::open(PageCount need, PageCount wish, PageIndex* start) {
  // At first the limits have just been read; and a window that is limited grows by mappings itself.
  if (opened() > 0 && !is_limited()) probe_room_for_others(Room::kAddresses);
  const PageCount room = capacity_pages_ - opened();
  if (need > room) return 0;
  if (wish > room) wish = room;
  if (wish < need) wish = need;
  *start = opened();
  return source_ == Source::kMmap ? open_mmap(need, wish) : open_sbrk(need, wish, start);
}

PageCount Window::open_mmap(PageCount need, PageCount wish) {
  // Whole kernel pages: where these are larger than 4 KiB, an opening ends on one.
  const PageCount grain = static_cast<PageCount>(os::page_size() / kPageSize);
  for (const PageCount asked : {wish, need}) {
    const PageCount end = static_cast<PageCount>(align_up(opened() + asked, grain));
    if (end > capacity_pages_ || !reserve_up_to(end) || !open_metadata(end)) continue;
    const PageCount count = end - opened();
    if (failed(os::sys::mprotect(reinterpret_cast<void*>(page_address(opened())), pages_to_bytes(count),
                                 PROT_READ | PROT_WRITE))) {
      continue;
    }
    // ORDER: other threads read `pages` relaxed: a pointer into the new pages reaches them only
    // through a hand-over that orders this store as well. Release costs nothing on x86-64 and is not relied
    // on.
    g_window.pages.store(end, std::memory_order_release);
    if (asked > need || locked_) note_locked(end - grain);
    return count;
  }
  return 0;
}

PageCount Window::open_sbrk(PageCount need, PageCount wish, PageIndex* start) {
  for (const PageCount asked : {wish, need}) {
    const intptr_t break_now = os::sys::sbrk(0);
    if (failed(break_now)) return 0;
    // The break may have been moved by others since: what they took stays a gap that is never ours.
    const uintptr_t end_address = page_address(opened());
    if (static_cast<uintptr_t>(break_now) < end_address && opened() > 0) return 0;  // lowered under us
    const uintptr_t first = align_up(
        static_cast<uintptr_t>(break_now) > end_address ? static_cast<uintptr_t>(break_now) : end_address,
        kPageSize);
    const PageCount gap = static_cast<PageCount>((first - end_address) >> kPageShift);
    const size_t end = size_t{opened()} + gap + asked;
    if (end > capacity_pages_ || !open_metadata(static_cast<PageCount>(end))) continue;
    const intptr_t increment =
        static_cast<intptr_t>(first - static_cast<uintptr_t>(break_now) + pages_to_bytes(asked));
    const intptr_t before = os::sys::sbrk(increment);
    if (failed(before)) continue;
    if (before != break_now) continue;  // somebody else was faster: that memory is lost to both
    *start = opened() + gap;
    gap_pages_ += gap;
    g_window.pages.store(end, std::memory_order_release);  // ORDER: as in open_mmap
    return asked;
  }
  return 0;
}

bool Window::lower_break(PageCount pages) {
  if (source_ != Source::kSbrk || !os::single_threaded()) return false;
  const intptr_t break_now = os::sys::sbrk(0);
  if (failed(break_now) || static_cast<uintptr_t>(break_now) != page_address(opened())) return false;
  if (failed(os::sys::sbrk(-static_cast<intptr_t>(pages_to_bytes(pages))))) return false;
  g_window.unforwarded_pages.store(
      0, std::memory_order_relaxed);  // until they ask again; ORDER: one thread alone
  g_window.pages.store(opened() - pages, std::memory_order_release);
  return true;
}

size_t Window::metadata_open_bytes() const {
  const uintptr_t end = reinterpret_cast<uintptr_t>(chunks_ + metadata_chunks_);
  return metadata_bytes_ == 0 ? 0 : align_up(end, kPageSize) - metadata_start_;
}

}  // namespace ashlar::page
