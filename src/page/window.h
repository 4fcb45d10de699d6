// The window: one range of addresses, reserved at start and opened upward in steps, with its metadata.
//
//   opened <= reserved <= capacity     pages: accessible; addresses that are ours; covered by the metadata
//
// Owns the reservation. Says nothing about which pages are used. `open` and what gives back are called under
// the page lock; the view is read by every thread without one. What the limits of the process do to the
// reservation is in window_limits.cc.
#pragma once

#include <atomic>

#include "page/layout.h"

namespace ashlar::page {

enum class Source : uint8_t { kMmap = 0, kSbrk = 1 };

// What the fast paths read: four words of one cache line. Zero pages until the heap is initialised,
// so that every pointer is foreign.
struct alignas(64) WindowView {
  uintptr_t base;             // address of page 0, a multiple of 2 MiB (source sbrk: of 1 MiB)
  std::atomic<size_t> pages;  // pages opened so far
  uint8_t* map;               // one byte a page: twice the size class of its slab, 0: no slab
  // `pages`, as the forms of operator delete that must ask whether they are to forward see it: 0 until
  // they have asked, at most `pages` ever after. So their asking costs the fast path nothing.
  std::atomic<size_t> unforwarded_pages;
};
extern constinit WindowView g_window __asm__("ashlar_window");  // the assembler name is for find_code

class Window {
 public:
  // Reserves `bytes` (rounded up to whole chunks) and the metadata for `capacity` bytes, or for `bytes` if
  // that is more, halving on failure down to `kSmallestWindow`. Where RLIMIT_AS has no room for that, only a
  // little is reserved, to grow in place. False: nothing is reserved, every block must be mapped directly.
  // Once only.
  bool reserve(size_t bytes, size_t capacity, Source source);

  // Opens at least `need` more pages behind the last, rather `wish`. *start is the first page that
  // was opened: behind the former end where the break was moved by somebody else. 0: no memory.
  PageCount open(PageCount need, PageCount wish, PageIndex* start);

  // ORDER: relaxed: exact under the page lock; without, a number that was right, and only ever rises (but
  // where the break is lowered, by a process with one thread).
  PageCount opened() const { return static_cast<PageCount>(g_window.pages.load(std::memory_order_relaxed)); }
  PageCount reserved() const { return reserved_pages_.load(std::memory_order_relaxed); }
  PageCount capacity() const { return capacity_pages_; }
  ChunkIndex opened_chunks() const { return (opened() + kPagesPerChunk - 1) / kPagesPerChunk; }
  Source source() const { return source_; }
  PageCount gap_pages() const { return gap_pages_; }

  // Gives opened pages at the end back to the program break; only for source sbrk, and only when
  // nobody else moved the break. True if the break was lowered by `pages`.
  bool lower_break(PageCount pages);

  // Finds out whether others can still map memory, and reads the limits when they can't, for one may have
  // been set since. The unopened part of the reservation goes back then, if a limit is what stands in their
  // way or is less than twice the reservation; it grows in place afterwards, as `open` needs.
  enum class Room { kAddresses, kAccessible };  // as RLIMIT_AS counts; as RLIMIT_DATA counts too
  void probe_room_for_others(Room room);
  // `refusal`: with what the kernel refused a mapping; 0: nothing is known of one.
  void heed_limits(intptr_t refusal = 0);
  // Addresses are scarce: a limit has no room for the whole reservation. Needs no lock.
  bool is_limited() const { return limited_.load(std::memory_order_relaxed); }
  // The heap alone has more than half of what RLIMIT_AS allows. LOCKS: the page lock.
  bool is_tight() const { return is_limited() && pages_to_bytes(opened()) > address_limit_ / 2; }
  // Accessible memory counts although nobody has touched it: RLIMIT_DATA is set, or the kernel commits
  // strictly (vm.overcommit_memory=2).
  bool is_charged() const { return source_ == Source::kMmap && (strict_commit_ || data_limit_); }
  // The process has locked its memory (mlockall): what is opened is resident at once.
  bool is_locked() const { return locked_; }

  // Unmaps opened pages at the end, so that others may have the addresses; source mmap only. True if done.
  bool give_back_end(PageCount pages);
  // Makes a chunk inaccessible in such a way that the kernel no longer counts it; and accessible again. The
  // caller owns its pages. False: nothing changed.
  bool close_chunk(ChunkIndex chunk);
  bool reopen_chunk(ChunkIndex chunk);

  // The record of it, changed under the page lock.
  bool is_closed(ChunkIndex index) const { return (group(index).closed & bit(index % kChunksPerGroup)) != 0; }
  void note_closed(ChunkIndex index) { group(index).closed |= bit(index % kChunksPerGroup); }
  void note_open(ChunkIndex index) { group(index).closed &= ~bit(index % kChunksPerGroup); }

  ChunkMeta& chunk(ChunkIndex index) const { return chunks_[index]; }
  SummaryMeta& group(ChunkIndex chunk) const {
    const unsigned group = chunk / kChunksPerGroup;
    return summaries_[group + group / kGroupsPerSuper + 1];
  }
  SummaryMeta& super(ChunkIndex chunk) const {
    return summaries_[chunk / kChunksPerGroup / kGroupsPerSuper * (kGroupsPerSuper + 1)];
  }
  unsigned supers() const { return (opened_chunks() + kChunksPerSuper - 1) / kChunksPerSuper; }

  // Where the metadata lies, for the statistics.
  uintptr_t metadata_start() const { return metadata_start_; }
  size_t metadata_bytes() const { return metadata_bytes_; }
  size_t metadata_open_bytes() const;

  static constexpr unsigned kChunksPerSuper = kChunksPerGroup * kGroupsPerSuper;
  static constexpr size_t kSmallestWindow = 4 * kMiB;

 private:
  bool try_reserve(size_t chunks, size_t capacity_chunks);
  bool open_metadata(PageCount end);
  bool reserve_up_to(PageCount end);
  void note_locked(PageIndex page);
  void give_back_unopened();
  PageCount open_mmap(PageCount need, PageCount wish);
  PageCount open_sbrk(PageCount need, PageCount wish, PageIndex* start);

  ChunkMeta* chunks_ = nullptr;
  SummaryMeta* summaries_ = nullptr;          // super 0, its 64 groups, super 1, ...
  std::atomic<PageCount> reserved_pages_{0};  // the statistics read it without the lock
  PageCount capacity_pages_ = 0;
  PageCount gap_pages_ = 0;
  ChunkIndex metadata_chunks_ = 0;  // chunk records that are accessible
  Source source_ = Source::kMmap;
  uintptr_t metadata_start_ = 0;
  size_t metadata_bytes_ = 0;
  uintptr_t mapping_start_ = 0;  // the reservation, with slack for the alignment at both ends
  uintptr_t mapping_end_ = 0;
  uint64_t address_limit_ = UINT64_MAX;  // RLIMIT_AS, as last read
  std::atomic<bool> limited_{false};
  bool data_limit_ = false;  // RLIMIT_DATA is set
  bool strict_commit_ = false;
  bool locked_ = false;
};

extern constinit Window g_window_owner;

inline constexpr size_t kMetadataAlignment = 64 * kKiB;  // the largest kernel page

// Gives addresses back. False: they are still there, which costs addresses only.
bool unmap(uintptr_t start, uintptr_t end);

inline uintptr_t page_address(PageIndex page) { return g_window.base + pages_to_bytes(page); }

// True if p lies in an opened page of the window; *page is then its index. ORDER: relaxed, as find_code
// below.
inline bool find_page(const void* p, PageIndex* page) {
  const size_t index = (reinterpret_cast<uintptr_t>(p) - g_window.base) >> kPageShift;
  *page = static_cast<PageIndex>(index);
  return index < g_window.pages.load(std::memory_order_relaxed);
}

// Which bound the fast path of free compares with.
enum class Bound { kPages, kUnforwarded };

// The same for the fast path of free: the page map's byte for p, in *code.
// ORDER: relaxed, bound and byte. Both were written before p was handed out, and whatever hands p from thread
// to thread orders that too (a program without such a hand-over races for the block's content). An acquire
// here would order what follows, not these loads, which are what could be early: tests/model shows it changes
// nothing.
template <Bound kBound>
ASHLAR_ALWAYS_INLINE bool find_code(const void* p, size_t* code) {
#if defined(__x86_64__) && !defined(ASHLAR_WATCHED)
  // What the plain version says, with the view's words as memory operands: compilers load the address of
  // the view first, and the atomic into a register. PERF: 2 instructions of 18.
  size_t page = reinterpret_cast<uintptr_t>(p);
  bool inside;
  const uint8_t* map;
  __asm__ volatile("subq ashlar_window(%%rip), %0" : "+r"(page) : : "cc");
  page >>= kPageShift;
  __asm__ volatile("cmpq ashlar_window+%c2(%%rip), %1"
                   : "=@ccb"(inside)
                   : "r"(page), "i"(kBound == Bound::kPages ? 8 : 24));
  if (ASHLAR_UNLIKELY(!inside)) return false;
  __asm__ volatile("movq ashlar_window+16(%%rip), %0" : "=r"(map));
  __asm__ volatile("movzbl %1, %k0" : "=r"(*code) : "m"(map[page]));  // a relaxed load; clang widens it apart
#else
  const size_t page = (reinterpret_cast<uintptr_t>(p) - g_window.base) >> kPageShift;
  const auto& bound = kBound == Bound::kPages ? g_window.pages : g_window.unforwarded_pages;
  if (ASHLAR_UNLIKELY(page >= bound.load(std::memory_order_relaxed))) return false;
  *code = __atomic_load_n(g_window.map + page, __ATOMIC_RELAXED);
#endif
  return true;
}
static_assert(offsetof(WindowView, base) == 0 && offsetof(WindowView, pages) == 8 &&
              offsetof(WindowView, map) == 16 && offsetof(WindowView, unforwarded_pages) == 24);

}  // namespace ashlar::page
