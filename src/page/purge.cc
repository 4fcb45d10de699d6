// Returning memory: the budget for free dirty pages, who gives pages back and when, and the guard
// against giving back what is needed again at once.
//
//   budget = max(floor, live / share, min(regret, max(regret limit, live / 2))); with limit 0 no regret
//
// The free that exceeds the budget gives back the excess, highest address first, in pieces of 64 KiB
// or more while there are such. Regret grows by every page that is purged and then taken again
// within about 100 ms, up to the peak of live pages plus the floor; it is halved at a slow-path visit a
// second or more after the last, and what counts of it is limited: by the option, or by half of what is live,
// if that is more (docs/decisions/regret-cap.md). So RSS follows the load down by itself, with no thread and
// no later call, and a program that oscillates stops paying after a few rounds.
//
// LOCKS: the pieces being purged are taken out of the buddy first; the lock is dropped for madvise.
#include <sys/mman.h>

#include "os/fatal.h"
#include "os/sys.h"
#include "os/system.h"
#include "page/page_layer.h"

namespace ashlar::page {

using os::LockGuard;

namespace {

constexpr unsigned kPieceOrder = 4;     // 64 KiB: below, a purged page costs three times as much
constexpr size_t kSmallestExcess = 64;  // pages: once it purges, a call purges at least 256 KiB
// Pieces of less than 64 KiB that one call purges: so many, or one for each so many pages of its quota. A
// piece costs a system call, whatever its size.
constexpr size_t kSmallPieces = 16;
constexpr size_t kQuotaASmallPiece = 32;
constexpr unsigned kMostFailures = 16;  // refused madvise calls after which a purge gives up
constexpr uint64_t kRegretWindowNs = 100'000'000;
// Pages that may be regretted in each such window before it counts: their faults take about 1 % of the time,
// which is cheaper than the memory (docs/decisions/regret-cap.md).
constexpr size_t kRegretAllowance = 1024;
constexpr uint64_t kRegretDecayNs = 1'000'000'000;
constexpr uint64_t kRefusedNs = 1'000'000'000;  // frees try no purge for so long after one that got nowhere
constexpr size_t kMostClosed = 8192;  // chunks; each may split a mapping twice, and vm.max_map_count is 65530
constexpr PageCount kLeastEnd = 4 * kPagesPerChunk;  // worth unmapping

// The whole kernel pages within [start, start + count), for kernels with pages above 4 KiB.
void round_inward(PageIndex* start, PageCount* count) {
  const size_t grain = os::page_size() / kPageSize;
  if (grain == 1) return;
  const size_t first = align_up(*start, grain);
  const size_t end = align_down(size_t{*start} + *count, grain);
  *start = static_cast<PageIndex>(first);
  *count = end > first ? static_cast<PageCount>(end - first) : 0;
}

}  // namespace

// Pages of regret that count: the option, or half of what is live.
size_t PageLayer::regret_limit_locked() const {
  const size_t limit = config_.regret_limit >> kPageShift;
  return limit != 0 && counters_.live_pages / 2 > limit ? counters_.live_pages / 2 : limit;
}

size_t PageLayer::budget_locked() const {
  size_t budget = config_.purge_floor >> kPageShift;
  const size_t share = counters_.live_pages / config_.purge_share;
  if (share > budget) budget = share;
  const size_t limit = regret_limit_locked();
  const size_t regret = regret_pages_ < limit ? regret_pages_ : limit;
  return regret > budget ? regret : budget;
}

size_t PageLayer::budget_pages() {
  LockGuard guard(lock_);
  return budget_locked();
}

void PageLayer::decay_regret_locked(uint64_t now) {
  if (regret_pages_ == 0 || now - last_regret_ns_ < kRegretDecayNs) return;
  const size_t limit = regret_limit_locked();  // more than that has not counted for a second
  regret_pages_ = (regret_pages_ < limit ? regret_pages_ : limit) / 2;
  last_regret_ns_ = now;
}

// Locked memory refuses MADV_DONTNEED: then each free would ask for nothing.
bool PageLayer::may_purge() {
  if (refused_until_ns_ == 0) return true;
  if (os::sys::monotonic_ns() < refused_until_ns_) return false;
  refused_until_ns_ = 0;
  return true;
}

size_t PageLayer::purge_budget_locked() {
  if (regret_pages_ > 0) decay_regret_locked(os::sys::monotonic_ns());
  const size_t budget = budget_locked();
  budget_hint_.store(budget, std::memory_order_relaxed);
  return budget;
}

// Clean pages of opened memory have been taken: if so much was purged a moment ago, that was a mistake.
void PageLayer::regret_locked(PageCount clean_taken) {
  if (!may_regret()) return;
  const uint64_t now = os::sys::monotonic_ns();
  decay_regret_locked(now);
  if (clean_taken == 0 || recent_purged_ == 0 || now - recent_start_ns_ > kRegretWindowNs) return;
  const size_t regretted = clean_taken < recent_purged_ ? clean_taken : recent_purged_;
  recent_purged_ -= regretted;
  counters_.purged_again += regretted;
  recent_regretted_ += regretted;
  if (recent_regretted_ <= kRegretAllowance) return;
  const size_t counts = recent_regretted_ - kRegretAllowance;
  regret_pages_ += counts < regretted ? counts : regretted;
  const size_t peak = counters_.peak_live_pages + (config_.purge_floor >> kPageShift);
  if (regret_pages_ > peak) regret_pages_ = peak;
  last_regret_ns_ = now;
}

bool PageLayer::discard(PageIndex start, PageCount count, PageCount resident, bool hole) {
  ASHLAR_CHECK(page_address(start) % os::page_size() == 0 && pages_to_bytes(count) % os::page_size() == 0);
  const bool failed = os::sys::failed(
      os::sys::madvise(reinterpret_cast<void*>(page_address(start)), pages_to_bytes(count), MADV_DONTNEED));
  LockGuard guard(lock_);
  ++counters_.purge_calls;
  if (failed) {
    ++counters_.purge_failures;
    return false;
  }
  const uint64_t now = os::sys::monotonic_ns();
  if (now - recent_start_ns_ > kRegretWindowNs) {
    recent_start_ns_ = now;
    recent_purged_ = recent_regretted_ = 0;
  }
  recent_purged_ += resident;
  counters_.purged_pages += resident;
  if (hole) counters_.hole_pages += resident;
  return true;
}

// Takes one piece below chunk *end out, purges it with the lock dropped, puts it back. Pages purged; *failed
// if the kernel refused: *end is then its chunk.
size_t PageLayer::purge_piece_locked(unsigned min_order, size_t excess, ChunkIndex* end, bool* failed) {
  unsigned order = 0;
  PageIndex start = buddy_.highest_dirty(min_order, *end, &order);
  if (start == kNoPage) return 0;
  PageCount count = 1u << order;
  const size_t wanted = excess > kSmallestExcess ? excess : kSmallestExcess;
  if (wanted < count) {  // its upper end, if that holds something dirty
    const PageCount upper = static_cast<PageCount>(align_up(wanted, size_t{1} << min_order));
    if (count_dirty(start + count - upper, upper) > 0) {
      start += count - upper;
      count = upper;
    }
  }
  const PageCount dirty_before = count_dirty(start, count);
  buddy_.take(start, count);
  counters_.in_flight_pages += count;
  lock_.unlock();
  PageIndex first = start;
  PageCount whole = count;
  round_inward(&first, &whole);
  *failed = whole == 0 || !discard(first, whole, dirty_before, false);
  lock_.lock();
  counters_.in_flight_pages -= count;
  if (!*failed) set_dirty(first, whole, false);
  const PageCount dirty_after = count_dirty(start, count);
  buddy_.insert(start, count);
  const ChunkIndex chunk = chunk_of_page(start);
  if (*failed) *end = chunk;  // locked memory, say: leave this chunk and go on below it
  if (!*failed && buddy_.is_clean_chunk(chunk)) retire_chunk_locked(chunk);
  return dirty_before - dirty_after;
}

// The record of a chunk that is free and clean is all zero where it matters, or will be: back with it. Where
// accessible memory counts, the chunk is closed besides. It is taken out meanwhile, so nobody writes into its
// record; who reads it finds no slab.
void PageLayer::retire_chunk_locked(ChunkIndex chunk) {
  const bool whole_pages = os::page_size() == kPageSize;  // a record is three pages of 4 KiB
  const bool close = counters_.closed_chunks < kMostClosed && g_window_owner.is_charged();
  if (!whole_pages && !close) return;
  const PageIndex start = chunk * kPagesPerChunk;
  buddy_.take(start, kPagesPerChunk);
  counters_.in_flight_pages += kPagesPerChunk;
  lock_.unlock();
  if (whole_pages) os::sys::madvise(&g_window_owner.chunk(chunk), sizeof(ChunkMeta), MADV_DONTNEED);
  const bool closed = close && g_window_owner.close_chunk(chunk);
  lock_.lock();
  if (closed) {
    g_window_owner.note_closed(chunk);
    ++counters_.closed_chunks;
  }
  counters_.in_flight_pages -= kPagesPerChunk;
  buddy_.insert(start, kPagesPerChunk);
}

void PageLayer::purge_locked(size_t target, size_t quota) {
  const unsigned smallest = log2_up(os::page_size() / kPageSize);  // smaller blocks hold no kernel page
  unsigned failures = 0;
  size_t small_pieces = quota / kQuotaASmallPiece > kSmallPieces ? quota / kQuotaASmallPiece : kSmallPieces;
  bool any = false;
  for (const unsigned min_order : {kPieceOrder, smallest}) {
    ChunkIndex end = g_window_owner.opened_chunks();
    while (failures < kMostFailures && quota > 0 && buddy_.dirty_pages() > target) {
      size_t excess = buddy_.dirty_pages() - target;
      if (excess > quota) excess = quota;
      bool failed = false;
      const size_t purged = purge_piece_locked(min_order, excess, &end, &failed);
      any = any || purged > 0;
      if (failed) {
        ++failures;
      } else if (purged == 0 || (min_order < kPieceOrder && --small_pieces == 0)) {
        break;
      }
      quota = purged < quota ? quota - purged : 0;
    }
  }
  if (failures > 0 && !any) refused_until_ns_ = os::sys::monotonic_ns() + kRefusedNs;
  if (g_window_owner.is_limited()) close_end_locked(kLeastEnd);
}

// The free pages at the end of the window, if they are `least` or more, are unmapped: where addresses are
// scarce, others need them. Dirty ones among them only where they are tight, or on demand (`least` 1): else a
// program that oscillates faults them in again and again, whatever regret says. Pages given back.
size_t PageLayer::close_end_locked(PageCount least) {
  const PageIndex end = g_window_owner.opened();
  PageIndex tail = static_cast<PageIndex>(align_up(buddy_.free_run_before(end), kPagesPerChunk));
  if (tail >= end || end - tail < least) return 0;
  if (least > 1 && !g_window_owner.is_tight()) {  // what the budget keeps stays
    PageIndex clean = static_cast<PageIndex>(align_up(end, kPagesPerChunk));
    while (clean > tail && count_dirty(clean - kPagesPerChunk, kPagesPerChunk) == 0)
      clean -= kPagesPerChunk;
    tail = clean;
    if (tail >= end || end - tail < least) return 0;
  }
  const PageCount dirty = count_dirty(tail, end - tail);
  buddy_.take(tail, end - tail);
  const bool lowered = g_window_owner.source() == Source::kSbrk ? g_window_owner.lower_break(end - tail)
                                                                : g_window_owner.give_back_end(end - tail);
  if (!lowered) {
    buddy_.insert(tail, end - tail);
    return 0;
  }
  recent_purged_ += dirty;
  if (end > given_back_end_) given_back_end_ = end;
  // New pages when they are opened again; clean records stay untouched.
  for (PageIndex chunk = tail; chunk < end; chunk += kPagesPerChunk) {
    const PageCount count = end - chunk < kPagesPerChunk ? end - chunk : kPagesPerChunk;
    if (count_dirty(chunk, count) > 0) set_dirty(chunk, count, false);
  }
  if (counters_.closed_chunks > 0) forget_closed_locked(chunk_of_page(tail), chunk_of_page(end - 1) + 1);
  return end - tail;
}

void PageLayer::forget_closed_locked(ChunkIndex from, ChunkIndex end) {
  for (ChunkIndex chunk = from; chunk < end; ++chunk) {
    if (g_window_owner.is_closed(chunk)) --counters_.closed_chunks;
    g_window_owner.note_open(chunk);
  }
}

size_t PageLayer::purge_all() {
  LockGuard guard(lock_);
  g_window_owner.probe_room_for_others(Window::Room::kAccessible);
  regret_pages_ = 0;
  const size_t before = counters_.purged_pages;
  purge_locked(0, SIZE_MAX);
  for (ChunkIndex chunk = 0; g_window_owner.is_charged() && chunk < g_window_owner.opened_chunks(); ++chunk) {
    if (!g_window_owner.is_closed(chunk) && buddy_.is_clean_chunk(chunk))
      retire_chunk_locked(chunk);  // it was never dirty
  }
  const bool lower = g_window_owner.source() == Source::kSbrk || g_window_owner.is_limited();
  const size_t lowered = lower ? close_end_locked(1) : 0;
  recent_purged_ = 0;  // asked for: not a mistake of ours
  return counters_.purged_pages - before + lowered;
}

}  // namespace ashlar::page
