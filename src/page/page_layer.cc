#include "page/page_layer.h"

#include "os/fatal.h"
#include "os/sys.h"

namespace ashlar::page {

using os::LockGuard;

constinit PageLayer g_pages;

namespace {

constexpr uint32_t kCachedMark = 1u << 31;  // in a run length: the block lies in a run cache
constexpr PageCount kLeastTight = 5;        // pages from which on the tail of a buddy block matters
constexpr PageCount kFirstStep = 128;       // 512 KiB
constexpr PageCount kHugePages = 2 * kMiB >> kPageShift;  // pages of an aligned 2 MiB
constexpr PageCount kLargestStep = 64 * kMiB >> kPageShift;
constexpr PageCount kCarefulStep = 4 * kMiB >> kPageShift;  // where addresses or accessible memory count
constexpr PageCount kLockedStep = 64 * kKiB >> kPageShift;  // where what is opened is resident at once

// ORDER: relaxed, wherever it is read or written: changed under the page lock, or by the block's owner (the
// marks); read without by the owner, whom the block reached by a hand-over, and by the statistics as a hint.
// A racing double free is decided by the compare-and-swap of mark_cached or by the lock.
uint32_t& run_length(PageIndex start) {
  return g_window_owner.chunk(chunk_of_page(start)).run_pages[start % kPagesPerChunk];
}

}  // namespace

bool PageLayer::initialise(const Config& config) {
  LockGuard guard(lock_);
  config_ = config;
  return g_window_owner.reserve(config.window_bytes, config.window_capacity, config.source);
}

void PageLayer::configure_purge(const Config& config) {
  LockGuard guard(lock_);
  config_.purge_floor = config.purge_floor;
  config_.purge_share = config.purge_share;
  config_.regret_limit = config.regret_limit;
}

void PageLayer::heed_limits(size_t wanted) {
  LockGuard guard(lock_);
  if (bytes_to_pages_up(wanted) <= g_window_owner.capacity()) g_window_owner.heed_limits(os::sys::kNoMemory);
}

// How much to open when `need` more pages are needed. Small at first: with huge pages set to
// `always`, an aligned 2 MiB that is opened whole becomes resident whole, so none is completed
// before that much is live.
PageCount PageLayer::opening_step_locked(PageCount need) const {
  const PageCount opened = g_window_owner.opened();
  if (g_window_owner.is_locked())
    return static_cast<PageCount>(align_up(opened + need, kLockedStep)) - opened;
  if (opened + need < kHugePages) {
    const PageCount wish = need > kFirstStep ? need : kFirstStep;
    return opened + wish < kHugePages ? wish : need;
  }
  PageCount step = opened / 8;
  if (step < kPagesPerChunk) step = kPagesPerChunk;
  const bool careful = g_window_owner.is_limited() || g_window_owner.is_charged();
  const PageCount most = careful ? kCarefulStep : kLargestStep;
  if (step > most) step = most;
  if (step < need) step = need;
  return static_cast<PageCount>(align_up(opened + step, kPagesPerChunk)) - opened;
}

// Pages of an anonymous mapping are new to the records: none is touched. Those above a break that others move
// are looked at.
void PageLayer::insert_opened_locked(PageIndex start, PageCount count) {
  if (g_window_owner.source() == Source::kMmap) {
    buddy_.insert_untouched(start, count);
  } else {
    buddy_.insert(start, count);
  }
}

// The pages at the end of the window: those that are free there already, and new ones behind them.
PageIndex PageLayer::open_locked(PageCount count, unsigned align_order) {
  const size_t alignment = count > kPagesPerChunk ? kPagesPerChunk : size_t{1} << align_order;
  // A second round is only needed where the break was moved by somebody else.
  for (int round = 0; round < 4; ++round) {
    const PageIndex end = g_window_owner.opened();
    const PageIndex candidate = static_cast<PageIndex>(align_up(buddy_.free_run_before(end), alignment));
    if (candidate + count <= end) {  // fits into the free pages at the end, which no aligned block covered
      buddy_.take(candidate, count);
      return candidate;
    }
    const size_t need = size_t{candidate} + count - end;
    if (need > g_window_owner.capacity()) return kNoPage;
    PageIndex start = 0;
    const PageCount wish = opening_step_locked(static_cast<PageCount>(need));
    const PageCount got = g_window_owner.open(static_cast<PageCount>(need), wish, &start);
    if (got == 0) return kNoPage;
    insert_opened_locked(start, got);
    if (buddy_.free_run_at(candidate, count) == count) {
      buddy_.take(candidate, count);
      return candidate;
    }
  }
  return kNoPage;
}

PageIndex PageLayer::pick_locked(PageCount count, unsigned align_order) {
  PageIndex page = kNoPage;
  if (count <= kPagesPerChunk) {
    const bool tight = align_order == 0 && count >= kLeastTight && !is_power_of_two(count);
    for (const Kind kind : {kDirty, kClean}) {
      page = tight ? buddy_.allocate_tight(count, kind) : buddy_.allocate(count, align_order, kind);
      if (page != kNoPage) break;
    }
  } else {
    page = buddy_.find_run(count, align_order);
    if (page != kNoPage) buddy_.take(page, count);
  }
  if (page == kNoPage) {
    page = open_locked(count, align_order);
    // What went back with the end of the window comes back by opening.
    if (page != kNoPage && page < given_back_end_ && may_regret()) regret_locked(count);
    return page;
  }
  if (may_regret()) regret_locked(count - count_dirty(page, count));
  return page;
}

PageIndex PageLayer::allocate_locked(PageCount count, unsigned align_order) {
  const PageIndex page = pick_locked(count, align_order);
  if (ASHLAR_LIKELY(page != kNoPage) && reopen_locked(page, count)) return page;
  if (page != kNoPage) buddy_.insert(page, count);
  if (count > kPagesPerChunk) return kNoPage;
  const PageIndex last = buddy_.find_anywhere(count, align_order);
  if (last == kNoPage) return kNoPage;
  buddy_.take(last, count);
  if (reopen_locked(last, count)) return last;
  buddy_.insert(last, count);
  return kNoPage;
}

// PRECONDITION: the pages are taken. False: some of them stay closed.
bool PageLayer::reopen_locked(PageIndex start, PageCount count) {
  if (ASHLAR_LIKELY(counters_.closed_chunks == 0)) return true;
  for (ChunkIndex chunk = chunk_of_page(start); chunk <= chunk_of_page(start + count - 1); ++chunk) {
    if (!g_window_owner.is_closed(chunk)) continue;
    if (!g_window_owner.reopen_chunk(chunk)) return false;
    g_window_owner.note_open(chunk);
    --counters_.closed_chunks;
  }
  return true;
}

void PageLayer::count_live_locked(PageCount count) {
  counters_.live_pages += count;
  budget_hint_.store(budget_locked(), std::memory_order_relaxed);
  if (counters_.live_pages > counters_.peak_live_pages) counters_.peak_live_pages = counters_.live_pages;
}

PageIndex PageLayer::allocate(PageCount count, unsigned align_order, uint64_t* dirty) {
  LockGuard guard(lock_);
  const PageIndex page = allocate_locked(count, align_order);
  if (page == kNoPage) return kNoPage;
  count_live_locked(count);
  *dirty = count <= 64 ? dirty_mask(page, count) : 0;
  return page;
}

void PageLayer::release_locked(PageIndex start, PageCount count) {
  counters_.live_pages -= count;
  buddy_.insert(start, count);
  ASHLAR_DCHECK(count < 256 || buddy_.check_invariants());
  const size_t budget = purge_budget_locked();
  if (buddy_.dirty_pages() > budget && may_purge()) {
    const size_t quota = 2 * size_t{count};
    purge_locked(budget, quota > kPagesPerChunk ? quota : kPagesPerChunk);
  }
}

void PageLayer::release(PageIndex start, PageCount count, uint64_t dirty) {
  LockGuard guard(lock_);
  for (unsigned done = 0; done < count;) {  // runs of equal bits
    const uint64_t rest = dirty >> done;
    const bool is_dirty = (rest & 1) != 0;
    unsigned run = lowest_bit(is_dirty ? ~rest : rest);
    if (run > count - done) run = count - done;
    set_dirty(start + done, run, is_dirty);
    done += run;
  }
  release_locked(start, count);
}

PageIndex PageLayer::allocate_large(PageCount count, unsigned align_order) {
  LockGuard guard(lock_);
  const PageIndex page = allocate_locked(count, align_order);
  if (page == kNoPage) return kNoPage;
  count_live_locked(count);
  ++counters_.large_blocks;
  counters_.large_pages += count;
  __atomic_store_n(&run_length(page), count, __ATOMIC_RELAXED);
  return page;
}

bool PageLayer::release_large(PageIndex start) {
  LockGuard guard(lock_);
  uint32_t& length = run_length(start);
  const PageCount count = __atomic_load_n(&length, __ATOMIC_RELAXED);
  if (count == 0 || (count & kCachedMark) != 0) return false;
  __atomic_store_n(&length, 0, __ATOMIC_RELAXED);
  --counters_.large_blocks;
  counters_.large_pages -= count;
  set_dirty(start, count, true);  // what the program touched of it is not known
  release_locked(start, count);
  return true;
}

bool PageLayer::grow_locked(PageIndex start, PageCount old_count, PageCount count) {
  const PageIndex tail = start + old_count;
  const PageCount more = count - old_count;
  const PageCount free = buddy_.free_run_at(tail, more);
  if (free < more) {
    if (tail + free != g_window_owner.opened()) return false;
    PageIndex opened_at = 0;
    const PageCount need = more - free;
    const PageCount got = g_window_owner.open(need, opening_step_locked(need), &opened_at);
    if (got == 0) return false;
    insert_opened_locked(opened_at, got);
    if (opened_at != tail + free) return false;
  }
  buddy_.take(tail, more);
  if (!reopen_locked(tail, more)) {
    buddy_.insert(tail, more);
    return false;
  }
  if (may_regret()) regret_locked(more - count_dirty(tail, more));
  return true;
}

bool PageLayer::try_resize_large(PageIndex start, PageCount count) {
  LockGuard guard(lock_);
  uint32_t& length = run_length(start);
  const PageCount old_count = __atomic_load_n(&length, __ATOMIC_RELAXED);
  if (count > old_count) {
    if (!grow_locked(start, old_count, count)) return false;
    count_live_locked(count - old_count);
  }
  counters_.large_pages += size_t{count} - old_count;
  __atomic_store_n(&length, count, __ATOMIC_RELAXED);
  if (count < old_count) {
    set_dirty(start + count, old_count - count, true);
    release_locked(start + count, old_count - count);
  }
  return true;
}

PageCount PageLayer::large_length(PageIndex start) {
  const PageCount length = __atomic_load_n(&run_length(start), __ATOMIC_RELAXED);
  return (length & kCachedMark) == 0 ? length : 0;
}

bool PageLayer::mark_cached(PageIndex start, PageCount length) {
  uint32_t expected = length;
  return __atomic_compare_exchange_n(&run_length(start), &expected, length | kCachedMark, false,
                                     __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

void PageLayer::unmark_cached(PageIndex start, PageCount length) {
  __atomic_store_n(&run_length(start), length, __ATOMIC_RELAXED);
}

PageCount PageLayer::cached_length(PageIndex start) {
  const PageCount length = __atomic_load_n(&run_length(start), __ATOMIC_RELAXED);
  return (length & kCachedMark) != 0 ? length & ~kCachedMark : 0;
}

bool PageLayer::is_clean_chunk(ChunkIndex chunk) {
  LockGuard guard(lock_);
  return buddy_.is_clean_chunk(chunk);
}

PageCounters PageLayer::counters() {
  LockGuard guard(lock_);
  return counters_;
}

void PageLayer::buddy_counts(size_t* free_pages, size_t* dirty_pages) {
  LockGuard guard(lock_);
  *free_pages = buddy_.free_pages();
  *dirty_pages = buddy_.dirty_pages();
}

void PageLayer::count_blocks(size_t (&clean)[kMaxOrder + 1], size_t (&dirty)[kMaxOrder + 1]) {
  LockGuard guard(lock_);
  buddy_.count_blocks(clean, dirty);
}

bool PageLayer::check_invariants() {
  LockGuard guard(lock_);
  ASHLAR_CHECK(buddy_.free_pages() + counters_.live_pages + counters_.in_flight_pages +
                   g_window_owner.gap_pages() ==
               g_window_owner.opened());
  for (ChunkIndex chunk = 0; chunk < g_window_owner.opened_chunks(); ++chunk) {
    ASHLAR_CHECK(!g_window_owner.is_closed(chunk) || buddy_.is_clean_chunk(chunk));
  }
  return buddy_.check_invariants();
}

}  // namespace ashlar::page
