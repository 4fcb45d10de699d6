// The page layer: hands out pages, takes them back, returns what is too much to the system.
//
// Order of preference: dirty memory (resident already), clean (opened, not resident), untouched (not
// yet opened); in each the lowest address. Blocks of up to 1 MiB come from a buddy block whose tail
// goes back at once, larger ones from the lowest sufficient run of free chunks, all with exact page
// counts. Free dirty memory stays below a budget, enforced by the call that exceeds it (purge.cc).
//
// Where accessible memory counts (window_limits.cc), a chunk that is free and clean is closed: still free in
// the buddy, but inaccessible until somebody takes a page of it.
//
// INVARIANT: closed => the whole chunk is free and clean, or it is being closed.
// LOCKS: every public function takes the page lock itself; none holds it during madvise. Any thread.
#pragma once

#include "os/lock.h"
#include "page/buddy.h"

namespace ashlar::page {

struct PageCounters {
  size_t live_pages;    // handed out
  size_t large_blocks;  // of these, blocks with a run length
  size_t large_pages;
  size_t in_flight_pages;  // taken out while they are being purged
  size_t peak_live_pages;
  size_t purged_pages;  // by madvise, in all
  size_t purged_again;  // pages of these that were soon taken back
  size_t hole_pages;    // of purged_pages: in live slabs
  size_t purge_calls;
  size_t purge_failures;
  size_t closed_chunks;
};

class PageLayer {
 public:
  struct Config {
    Source source = Source::kMmap;
    size_t window_bytes = 0;
    size_t window_capacity = 0;  // bytes that the window may grow to in place, if that is more
    size_t purge_floor = kMiB;
    size_t purge_share = 8;
    size_t regret_limit = 64 * kMiB;
  };

  // Once, before anything else. False: no window could be had; every allocation will fail.
  bool initialise(const Config& config);

  // Takes effect at the next purge; for options that are read late.
  void configure_purge(const Config& config);

  // `count` pages at a multiple of 2^align_order pages (align_order <= 8), or kNoPage. For count <=
  // 64, *dirty gets the pages that may be resident and are not known to be zero, else it is 0.
  PageIndex allocate(PageCount count, unsigned align_order, uint64_t* dirty);

  // Gives back pages that `allocate` handed out; count <= 64, `dirty` as there.
  void release(PageIndex start, PageCount count, uint64_t dirty);

  // A large block: its length is remembered, so that its address is enough to free it.
  PageIndex allocate_large(PageCount count, unsigned align_order);
  // False, and nothing changed, if no large block starts at `start`.
  bool release_large(PageIndex start);
  // Changes the length in place: growing takes the free pages that follow. False: nothing changed.
  bool try_resize_large(PageIndex start, PageCount count);
  // Pages of the live large block that starts here, 0 if none does. Stable while the caller owns it.
  static PageCount large_length(PageIndex start);
  // Whoever owns the large block of this length marks it as kept by a thread's run cache, or takes the mark
  // off. A marked block is not live: it has no large_length, and release_large does not find it.
  // False: it is not live any more (a racing free), nothing has changed.
  static bool mark_cached(PageIndex start, PageCount length);
  static void unmark_cached(PageIndex start, PageCount length);
  static PageCount cached_length(PageIndex start);

  // Gives all free dirty pages back (source sbrk: lowers the break too). Pages given back.
  size_t purge_all();

  // Reads the limits of the process, for one may have been set since: when `wanted` bytes can't be had,
  // before purge_all. Not for sizes beyond what the window could become: no limit is to blame for most of
  // them, and a filter may kill at the calls that read them (docs/decisions/limits.md).
  void heed_limits(size_t wanted);

  // One madvise over pages that the caller owns, of which `resident` may be resident; counted. False: the
  // pages stay as they were.
  bool discard(PageIndex start, PageCount count, PageCount resident, bool hole);

  // True if the whole chunk is free and clean, so that a walk need not look at its record.
  bool is_clean_chunk(ChunkIndex chunk);

  size_t budget_pages();
  // What it was when pages were last handed out or given back; without the lock. ORDER: relaxed, a hint.
  size_t budget_hint() const { return budget_hint_.load(std::memory_order_relaxed); }
  PageCounters counters();
  void buddy_counts(size_t* free_pages, size_t* dirty_pages);
  void count_blocks(size_t (&clean)[kMaxOrder + 1], size_t (&dirty)[kMaxOrder + 1]);
  bool check_invariants();

  os::Lock& lock() { return lock_; }
  const Buddy& buddy() const { return buddy_; }

 private:
  PageIndex allocate_locked(PageCount count, unsigned align_order);
  PageIndex pick_locked(PageCount count, unsigned align_order);
  bool reopen_locked(PageIndex start, PageCount count);
  void forget_closed_locked(ChunkIndex from, ChunkIndex end);
  PageIndex open_locked(PageCount count, unsigned align_order);
  void insert_opened_locked(PageIndex start, PageCount count);
  PageCount opening_step_locked(PageCount need) const;
  bool grow_locked(PageIndex start, PageCount old_count, PageCount count);
  void release_locked(PageIndex start, PageCount count);
  void count_live_locked(PageCount count);

  size_t regret_limit_locked() const;
  size_t budget_locked() const;
  bool may_regret() const { return recent_purged_ > 0 || regret_pages_ > 0; }
  void regret_locked(PageCount clean_taken);
  void decay_regret_locked(uint64_t now);
  bool may_purge();
  size_t purge_budget_locked();  // the budget, after regret's decay; notes it for budget_hint
  void purge_locked(size_t target, size_t quota);
  void retire_chunk_locked(ChunkIndex chunk);
  size_t close_end_locked(PageCount least);
  size_t purge_piece_locked(unsigned min_order, size_t excess, ChunkIndex* end, bool* failed);

  os::Lock lock_{os::LockRank::kPage};
  Buddy buddy_;
  PageCounters counters_{};
  Config config_{};
  std::atomic<size_t> budget_hint_{SIZE_MAX};
  size_t regret_pages_ = 0;       // the guard: this much dirty memory is kept, whatever else is said
  size_t recent_purged_ = 0;      // pages purged since recent_start_ns_, less those regretted
  size_t recent_regretted_ = 0;   // pages regretted since then
  PageIndex given_back_end_ = 0;  // the highest end of the window that was given back
  uint64_t recent_start_ns_ = 0;
  uint64_t last_regret_ns_ = 0;
  uint64_t refused_until_ns_ = 0;  // the kernel refused all advice: frees leave it alone until then
};

extern constinit PageLayer g_pages;

}  // namespace ashlar::page
