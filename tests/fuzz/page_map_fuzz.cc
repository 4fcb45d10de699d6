// Whose is this address? Pages, large blocks and slabs come and go, and a book of them is kept beside: the
// page map, the lengths of large blocks and the count of live pages must say what the book says, of every
// page. Contents are checked too: what is owned stays, and a page that is handed out as clean is zero. System
// calls fail, the clock moves on, and others move the program break, as the input says.
#include <cstring>
#include <map>
#include <vector>

#include "bytes.h"
#include "core_state.h"
#include "fakes/faulty_sys.h"
#include "kernel_pages.h"
#include "os/sys.h"
#include "slab_support.h"
#include "target.h"

namespace ashlar::slab {
namespace {

using page::g_pages;
using page::PageLayer;

constexpr size_t kMostSteps = 2000;
constexpr size_t kMostPages = 2000;  // owned at once
constexpr PageCount kLargest = 700;
constexpr PageIndex kStampEach = 32;

struct Owned {
  enum Kind { kPages, kLarge, kCached } kind;
  PageCount count;
};

class Book {
 public:
  explicit Book(fuzz::Bytes& bytes) : bytes_(bytes) {}

  void step();
  void finish();

 private:
  void allocate_pages();
  void allocate_large();
  void give_back();
  void resize();
  void mark();
  void take_slots();
  void put_slot();
  void ask();
  void purge();
  void disturb();

  void own(PageIndex start, PageCount count, Owned::Kind kind);
  void disown(PageIndex start);
  void stamp(PageIndex start, PageCount count);
  void check_stamps(PageIndex start, PageCount count) const;
  void check_page(PageIndex page) const;
  void check_all() const;
  std::map<PageIndex, Owned>::iterator choose();

  fuzz::Bytes& bytes_;
  uint64_t clock_ = 0;
  size_t pages_ = 0;
  std::map<PageIndex, Owned> owned_;            // by their first page, apart from one another
  std::map<PageIndex, uint64_t> stamps_;        // what stands in both ends of a page
  std::map<const char*, unsigned> slots_;       // slots that are out, and their class
  std::map<PageIndex, unsigned> slab_of_page_;  // pages of slabs that have slots out: the class
};

uint64_t* first_word(PageIndex page) { return reinterpret_cast<uint64_t*>(page::page_address(page)); }
uint64_t* last_word(PageIndex page) { return first_word(page) + kPageSize / 8 - 1; }

void Book::stamp(PageIndex start, PageCount count) {
  for (PageIndex page = start; page < start + count; ++page) {
    if (page != start && page != start + count - 1 && page % kStampEach != 0) continue;
    *first_word(page) = *last_word(page) = stamps_[page] = page * 0x9e3779b97f4a7c15u + pages_;
  }
}

void Book::check_stamps(PageIndex start, PageCount count) const {
  for (auto stamp = stamps_.lower_bound(start); stamp != stamps_.end() && stamp->first < start + count;
       ++stamp) {
    ASSERT_EQ(*first_word(stamp->first), stamp->second) << "page " << stamp->first;
    ASSERT_EQ(*last_word(stamp->first), stamp->second) << "page " << stamp->first;
  }
}

void Book::own(PageIndex start, PageCount count, Owned::Kind kind) {
  ASSERT_LE(start + count, page::g_window_owner.opened());
  const auto [place, is_new] = owned_.emplace(start, Owned{kind, count});
  ASSERT_TRUE(is_new) << "handed out twice: page " << start;
  if (place != owned_.begin()) {
    ASSERT_LE(std::prev(place)->first + std::prev(place)->second.count, start);
  }
  if (std::next(place) != owned_.end()) {
    ASSERT_LE(start + count, std::next(place)->first);
  }
  const auto slab = slab_of_page_.lower_bound(start);
  ASSERT_TRUE(slab == slab_of_page_.end() || slab->first >= start + count) << "a slab's page";
  for (PageIndex at = start; at < start + count; at += 64) {
    const PageCount some = std::min<PageCount>(64, start + count - at);
    const uint64_t dirty = page::dirty_mask(at, some);
    for (PageCount i = 0; i < some; ++i) {
      if ((dirty >> i & 1) != 0) continue;
      ASSERT_TRUE(*first_word(at + i) == 0 && *last_word(at + i) == 0) << "clean page " << at + i;
    }
  }
  pages_ += count;
  stamp(start, count);
}

void Book::disown(PageIndex start) {
  const auto place = owned_.find(start);
  const PageCount count = place->second.count;
  stamps_.erase(stamps_.lower_bound(start), stamps_.lower_bound(start + count));
  pages_ -= count;
  owned_.erase(place);
}

std::map<PageIndex, Owned>::iterator Book::choose() {
  const auto place = owned_.lower_bound(static_cast<PageIndex>(bytes_.below(2 * kMostPages)));
  return place != owned_.end() ? place : owned_.begin();
}

void Book::allocate_pages() {
  const PageCount count = static_cast<PageCount>(bytes_.between(1, 64));
  const unsigned align_order = static_cast<unsigned>(bytes_.below(9));
  if (pages_ + count > kMostPages) return;
  uint64_t dirty = 0;
  const PageIndex page = g_pages.allocate(count, align_order, &dirty);
  if (page == kNoPage) return;
  ASSERT_EQ(page % (1u << align_order), 0u);
  ASSERT_EQ(dirty, page::dirty_mask(page, count));
  own(page, count, Owned::kPages);
}

void Book::allocate_large() {
  const PageCount count = static_cast<PageCount>(std::max<size_t>(1, bytes_.size_up_to(kLargest)));
  const unsigned align_order = bytes_.one_in(2) ? 0 : static_cast<unsigned>(bytes_.below(9));
  if (pages_ + count > kMostPages) return;
  const PageIndex page = g_pages.allocate_large(count, align_order);
  if (page == kNoPage) return;
  ASSERT_EQ(page % (1u << align_order), 0u);
  ASSERT_EQ(PageLayer::large_length(page), count);
  own(page, count, Owned::kLarge);
}

void Book::give_back() {
  if (owned_.empty()) return;
  const auto [start, owned] = *choose();
  check_stamps(start, owned.count);
  if (owned.kind == Owned::kPages) {
    const bool whole = start % page::grain() == 0 && owned.count % page::grain() == 0;  // kernel pages
    const bool discarded =
        bytes_.one_in(2) && whole && g_pages.discard(start, owned.count, owned.count, true);
    disown(start);
    return g_pages.release(start, owned.count, discarded ? 0 : ~uint64_t{0} >> (64 - owned.count));
  }
  disown(start);
  if (owned.kind == Owned::kCached) {
    ASSERT_FALSE(g_pages.release_large(start)) << "a block in a run cache is not live";
    PageLayer::unmark_cached(start, owned.count);
  }
  ASSERT_TRUE(g_pages.release_large(start));
  ASSERT_FALSE(g_pages.release_large(start)) << "freed twice";
}

void Book::resize() {
  if (owned_.empty()) return;
  const auto place = choose();
  const PageIndex start = place->first;
  const PageCount old_count = place->second.count;
  const PageCount count = static_cast<PageCount>(std::max<size_t>(1, bytes_.size_up_to(kLargest)));
  if (place->second.kind != Owned::kLarge || pages_ - old_count + count > kMostPages) return;
  check_stamps(start, old_count);
  if (!g_pages.try_resize_large(start, count)) {
    ASSERT_GT(count, old_count) << "a block can always shrink";
    return;
  }
  const auto next = std::next(place);
  ASSERT_TRUE(next == owned_.end() || start + count <= next->first) << "grew over its neighbour";
  const auto slab = slab_of_page_.lower_bound(start);
  ASSERT_TRUE(slab == slab_of_page_.end() || slab->first >= start + count) << "grew over a slab";
  stamps_.erase(stamps_.lower_bound(start + count), stamps_.lower_bound(start + old_count));
  place->second.count = count;
  pages_ = pages_ - old_count + count;
  if (count > old_count) stamp(start + old_count, count - old_count);
  check_stamps(start, count);
}

void Book::mark() {
  if (owned_.empty()) return;
  const auto place = choose();
  auto& [start, owned] = *place;
  if (owned.kind == Owned::kLarge) {
    ASSERT_FALSE(PageLayer::mark_cached(start, owned.count + 1)) << "of another length";
    ASSERT_TRUE(PageLayer::mark_cached(start, owned.count));
    ASSERT_FALSE(PageLayer::mark_cached(start, owned.count)) << "marked twice";
    owned.kind = Owned::kCached;
  } else if (owned.kind == Owned::kCached) {
    PageLayer::unmark_cached(start, owned.count);
    owned.kind = Owned::kLarge;
  }
}

void Book::take_slots() {
  const unsigned index = static_cast<unsigned>(bytes_.between(1, kClassCount - 1));
  if (pages_ + slab_of_page_.size() + 64 > kMostPages) return;
  const Chain chain = slab::take_slots(index, static_cast<unsigned>(bytes_.between(1, 64)));
  for (char* slot = static_cast<char*>(chain.head); slot != nullptr;) {
    char* const next = *reinterpret_cast<char**>(slot);
    ASSERT_TRUE(slots_.emplace(slot, index).second) << "handed out twice";
    const PageIndex first = first_page_of_unit(place_of(slot, index).unit);
    for (PageIndex page = first; page < first + (1u << kClasses[index].order); ++page) {
      const auto owner = owned_.upper_bound(page);
      ASSERT_TRUE(owner == owned_.begin() || std::prev(owner)->first + std::prev(owner)->second.count <= page)
          << "a slab on somebody's page";
      slab_of_page_[page] = index;
    }
    slot = next;
  }
}

// From slot `chosen` on, up to 64, so that whole slabs come back.
void Book::put_slot() {
  size_t count = bytes_.between(1, 64);
  auto slot = slots_.begin();
  std::advance(slot, slots_.empty() ? 0 : static_cast<long>(bytes_.below(4096) % slots_.size()));
  while (count-- > 0 && slot != slots_.end()) {
    const auto [start, index] = *slot;
    slot = slots_.erase(slot);
    const char* const slab = slab_start(start, index);
    const auto other = slots_.lower_bound(slab);
    const size_t bytes = kPageSize << kClasses[index].order;
    if (other == slots_.end() || other->first >= slab + bytes) {
      const PageIndex first = first_page_of_unit(place_of(start, index).unit);
      for (PageIndex page = first; page < first + (1u << kClasses[index].order); ++page)
        slab_of_page_.erase(page);
    }
    put(start, index);
  }
}

void Book::check_page(PageIndex page) const {
  const char* const address = reinterpret_cast<char*>(page::page_address(page));
  for (const size_t offset : {size_t{0}, kPageSize - 1}) {
    PageIndex found = 0;
    size_t code = 0;
    ASSERT_TRUE(page::find_page(address + offset, &found));
    ASSERT_EQ(found, page);
    ASSERT_TRUE(page::find_code<page::Bound::kPages>(address + offset, &code));
    const auto slab = slab_of_page_.find(page);
    if (slab != slab_of_page_.end()) {
      ASSERT_EQ(code, class_code(slab->second)) << "page " << page;
      continue;
    }
    auto owner = owned_.upper_bound(page);
    const bool is_owned = owner != owned_.begin() && page < (--owner)->first + owner->second.count;
    if (!is_owned) {  // free; or of a slab that has no slot out and is kept
      SlabReading reading{};
      for (unsigned order = 2; code != 0; ++order) {
        ASSERT_LE(order, 6u) << "page " << page << " has a class, and no slab";
        const PageIndex first = page >> order << order;
        if (read_slab(unit_of_page(first), &reading) && class_code(reading.index) == code &&
            kClasses[reading.index].order == order) {
          ASSERT_EQ(reading.free_slots, kClasses[reading.index].slots);
          break;
        }
      }
      ASSERT_EQ(PageLayer::large_length(page), 0u) << "page " << page;
      ASSERT_EQ(PageLayer::cached_length(page), 0u) << "page " << page;
      continue;
    }
    ASSERT_EQ(code, 0u) << "page " << page;
    const bool is_first = owner->first == page;
    const Owned& owned = owner->second;
    ASSERT_EQ(PageLayer::large_length(page), is_first && owned.kind == Owned::kLarge ? owned.count : 0);
    ASSERT_EQ(PageLayer::cached_length(page), is_first && owned.kind == Owned::kCached ? owned.count : 0);
    ASSERT_FALSE(g_pages.buddy().is_free(page));
  }
}

void Book::ask() {
  const PageCount opened = page::g_window_owner.opened();
  const PageIndex page = static_cast<PageIndex>(bytes_.below(2 * kMostPages));
  if (page < opened) return check_page(page);
  PageIndex found = 0;
  size_t code = 0;
  const char* const address = reinterpret_cast<char*>(page::page_address(page));
  ASSERT_FALSE(page::find_page(address, &found)) << "not opened yet";
  ASSERT_FALSE(page::find_code<page::Bound::kPages>(address, &code));
  ASSERT_FALSE(page::find_page(reinterpret_cast<char*>(page::g_window.base) - 1, &found));
}

void Book::check_all() const {
  for (PageIndex page = 0; page < page::g_window_owner.opened(); ++page)
    check_page(page);
  check_stamps(0, page::g_window_owner.opened());
  ASSERT_TRUE(g_pages.check_invariants());
  ASSERT_TRUE(check_invariants());
}

void Book::purge() {
  g_pages.purge_all();
  check_stamps(0, page::g_window_owner.opened());
}

void Book::disturb() {
  switch (bytes_.below(4)) {
    case 0:
      return fakes::fail_nth(bytes_.between(1, 8));
    case 1:
      clock_ += bytes_.below(32) * 100'000'000;
      return fakes::set_clock(clock_);
    case 2:
      return g_pages.configure_purge({.purge_floor = bytes_.size_up_to(16 * kMiB),
                                      .purge_share = bytes_.between(1, 64),
                                      .regret_limit = bytes_.size_up_to(16 * kMiB)});
    default:  // somebody else takes memory from the break
      if (page::g_window_owner.source() == page::Source::kSbrk)
        os::sys::sbrk(static_cast<intptr_t>(bytes_.size_up_to(64 * kKiB)));
  }
}

void Book::step() {
  static constexpr void (Book::*kSteps[])() = {&Book::allocate_pages, &Book::allocate_pages,
                                               &Book::allocate_large, &Book::allocate_large,
                                               &Book::allocate_large, &Book::give_back,
                                               &Book::give_back,      &Book::give_back,
                                               &Book::resize,         &Book::resize,
                                               &Book::mark,           &Book::take_slots,
                                               &Book::put_slot,       &Book::ask,
                                               &Book::purge,          &Book::disturb};
  if (clock_ == 0) clock_ = os::sys::monotonic_ns();
  (this->*kSteps[bytes_.below(16)])();
}

void Book::finish() {
  fakes::fail_nth(0);
  check_all();
  while (!owned_.empty())
    give_back();
  while (!slots_.empty())
    put_slot();
  release_kept();
  ASSERT_EQ(g_pages.counters().live_pages, 0u);
  ASSERT_EQ(g_pages.counters().large_pages, 0u);
  g_pages.purge_all();
  ASSERT_TRUE(page::nothing_to_purge());
  ASSERT_TRUE(g_pages.check_invariants());
}

void run(fuzz::Bytes& bytes) {
  __libc_single_threaded = 1;  // the break is lowered then, too
  const bool on_break = bytes.one_in(4);
  ASSERT_TRUE(g_pages.initialise({.source = on_break ? page::Source::kSbrk : page::Source::kMmap,
                                  .window_bytes = (bytes.one_in(4) ? 8 : 128) * kMiB,
                                  .purge_floor = bytes.below(4) * kMiB}));
  Book book(bytes);
  for (size_t i = 0; i < kMostSteps && !bytes.empty(); ++i)
    book.step();
  book.finish();
}

}  // namespace
}  // namespace ashlar::slab

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return ashlar::fuzz::run_on_fresh_core(data, size, ashlar::slab::run);
}
