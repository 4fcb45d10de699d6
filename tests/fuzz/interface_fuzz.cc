// The whole interface as a program calls it (the C names, as <ashlar/malloc.h> spells them) beside the shadow
// books: no block over another, contents kept, zeroed memory zero, alignments, usable sizes, errno; with one
// thread or two that hand blocks to each other, with options, a window and system calls as the input says.
#include <ashlar/malloc.h>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <new>

#include "base/options.h"
#include "bytes.h"
#include "core_state.h"
#include "fakes/faulty_sys.h"
#include "heap_support.h"
#include "kernel_pages.h"
#include "os/sys.h"
#include "os/system.h"
#include "page/direct.h"
#include "shadow_books.h"
#include "target.h"
#include "worker.h"

namespace ashlar::heap {
namespace {

constexpr size_t kMostSteps = 3000;
constexpr size_t kMostBytes = 10 * kMiB;
constexpr size_t kLargest = 3 * kMiB;
constexpr int kErrno = 77;  // what errno is before each call

class Program {
 public:
  Program(fuzz::Bytes& bytes, bool threads) : bytes_(bytes), may_use_thread_(threads) {}

  void step();
  void finish();

 private:
  void allocate();
  void allocate_many();
  void allocate_zeroed();
  void allocate_aligned();
  void reallocate();
  void free_some();
  void ask_impossible();
  void purge();
  void disturb();
  void switch_thread();

  // Calls it in the thread whose turn it is.
  template <typename Call>
  void in_turn(Call call) {
    if (worker_ != nullptr && second_) {
      worker_->run(call);
    } else {
      call();
    }
  }
  bool has_room(size_t size) const { return books_.bytes() + size <= kMostBytes; }
  size_t choose_size() { return bytes_.size_up_to(kLargest); }
  size_t choose_block() { return bytes_.below(size_t{1} << 16) % books_.blocks(); }
  void note(void* p, size_t size, size_t alignment, bool zeroed);
  void free_block(size_t place, size_t form);
  static uint64_t failures();

  fuzz::Bytes& bytes_;
  bool may_use_thread_;
  bool second_ = false;  // whose turn it is
  std::unique_ptr<fuzz::Worker> worker_;
  ShadowBooks books_{1};
  uint64_t clock_ = os::sys::monotonic_ns();
  uint64_t failures_ = 0;  // of system calls, before the call that is being looked at
};

uint64_t Program::failures() {
  uint64_t sum = 0;
  for (unsigned call = 0; call < static_cast<unsigned>(fakes::Call::kCount); ++call)
    sum += fakes::failures(static_cast<fakes::Call>(call));
  return sum;
}

// What an allocation gave. It may have failed only if the system did.
void Program::note(void* p, size_t size, size_t alignment, bool zeroed) {
  if (p == nullptr) {
    ASSERT_EQ(errno, ENOMEM);
    ASSERT_GT(failures(), failures_) << size << " bytes";
    return;
  }
  ASSERT_EQ(errno, kErrno) << "success changes errno";
  books_.note(p, size, alignment, zeroed);
}

void Program::allocate() {
  const size_t size = choose_size();
  if (!has_room(size)) return;
  in_turn([&] {
    errno = kErrno;
    note(ashlar_malloc(size), size, 16, false);
  });
}

void Program::allocate_many() {
  const size_t size = bytes_.below(2) == 0 ? bytes_.below(1024) : choose_size() / 16;
  const size_t count = bytes_.between(1, 256);
  in_turn([&] {
    for (size_t i = 0; i < count && has_room(size); ++i) {
      errno = kErrno;
      note(ashlar_malloc(size), size, 16, false);
    }
  });
}

void Program::allocate_zeroed() {
  const size_t count = 1 + bytes_.below(8);
  const size_t size = bytes_.size_up_to(kLargest / 4);
  if (!has_room(count * size)) return;
  in_turn([&] {
    errno = kErrno;
    note(ashlar_calloc(count, size), count * size, 16, true);
  });
}

void Program::allocate_aligned() {
  const size_t size = choose_size();
  const size_t form = bytes_.below(5);
  const size_t alignment = size_t{1} << bytes_.below(bytes_.one_in(8) ? 24 : 14);
  if (!has_room(size)) return;
  in_turn([&] {
    errno = kErrno;
    if (form == 0) return note(ashlar_aligned_alloc(alignment, size), size, alignment, false);
    if (form == 1)  // rounds up what is no power of two
      return note(ashlar_memalign(alignment - alignment / 4, size), size, alignment, false);
    if (form == 2) return note(ashlar_valloc(size), size, kPageSize, false);
    if (form == 3)
      return note(ashlar_pvalloc(size), size == 0 ? 0 : (size + 4095) / 4096 * 4096, 4096, false);
    void* p = this;
    const int result = ashlar_posix_memalign(&p, alignment, size);
    ASSERT_EQ(errno, kErrno) << "posix_memalign leaves errno alone";
    if (result == EINVAL) {
      ASSERT_LT(alignment, sizeof(void*));
      ASSERT_EQ(p, this);
    } else if (result != 0) {
      ASSERT_EQ(result, ENOMEM);
      ASSERT_EQ(p, this) << "a failure leaves the result alone";
      ASSERT_GT(failures(), failures_);
    } else {
      note(p, size, alignment, false);
    }
  });
}

void Program::reallocate() {
  if (books_.blocks() == 0) return;
  const size_t place = choose_block();
  const ShadowBlock old = books_.block(place);
  const size_t form = bytes_.below(4);
  const size_t usable = ashlar_malloc_usable_size(old.start);
  const size_t size = form == 0   ? usable
                      : form == 1 ? old.size * bytes_.between(1, 300) / 100
                                  : choose_size();
  if (!has_room(size)) return;
  in_turn([&] {
    books_.check(place);
    errno = kErrno;
    unsigned char* const p = static_cast<unsigned char*>(form == 3 ? ashlar_reallocarray(old.start, size, 1)
                                                                   : ashlar_realloc(old.start, size));
    if (p == nullptr && size != 0) {
      ASSERT_EQ(errno, ENOMEM);
      ASSERT_GT(failures(), failures_) << old.size << " -> " << size;
      return books_.check(place);  // stays as it was
    }
    ASSERT_EQ(errno, kErrno);
    books_.forget(place);
    if (size == 0) {
      ASSERT_EQ(p, nullptr) << "realloc to nothing frees";
      return;
    }
    if (size <= usable && size > usable / 2) {
      ASSERT_EQ(p, old.start) << "moved without need: " << usable << " -> " << size;
    }
    const ShadowBlock moved{p, old.size, old.name};
    ASSERT_EQ(check_pattern(moved, std::min(size, old.size)), -1) << old.size << " -> " << size << " bytes";
    books_.note(p, size, 16, false);
  });
}

// The sized forms with any size: it is not needed.
void Program::free_block(size_t place, size_t form) {
  books_.check(place);
  const ShadowBlock block = books_.forget(place);
  errno = kErrno;
  if (form < 5) {
    ashlar_free(block.start);
  } else if (form < 7) {
    ashlar_free_sized(block.start, form == 5 ? block.size : 12345);
  } else {
    ashlar_free_aligned_sized(block.start, 16, block.size);
  }
  ASSERT_EQ(errno, kErrno) << "free keeps errno";
}

void Program::free_some() {
  const size_t form = bytes_.below(8);
  const size_t count = bytes_.one_in(2) ? 1 : bytes_.between(1, 256);
  const size_t first = bytes_.below(size_t{1} << 16);
  const size_t stride = bytes_.below(16);
  in_turn([&] {
    for (size_t i = 0; i < count && books_.blocks() > 0; ++i)
      free_block((first + i * stride) % books_.blocks(), form);
  });
}

// Sizes that nobody can have, and arguments that are wrong.
void Program::ask_impossible() {
  const size_t size = SIZE_MAX >> bytes_.below(17);
  const size_t form = bytes_.below(10);
  const size_t more = bytes_.below(5000);
  in_turn([&] {
    errno = kErrno;
    void* p = nullptr;
    if (form == 0) p = ashlar_malloc(size - more);
    if (form == 1) p = ashlar_calloc(size / 8, 8 + more % 64);
    if (form == 2) p = ashlar_reallocarray(nullptr, size / 8, 8 + more % 64);
    if (form == 3) p = ashlar_memalign(size_t{1} << more % 40, size);
    if (form == 4) p = ashlar_pvalloc(size - more);
    if (form == 5) p = ashlar_valloc(size - more);
    if (form == 6) p = ashlar_realloc(nullptr, size);
    ASSERT_EQ(p, nullptr);
    if (form <= 6) {
      ASSERT_EQ(errno, ENOMEM);
    }
    if (form == 7) {
      ASSERT_EQ(ashlar_aligned_alloc(3 + more / 2 * 4, 64), nullptr);
      ASSERT_EQ(errno, EINVAL);
    }
    if (form == 8) {
      ASSERT_EQ(ashlar_posix_memalign(&p, 8 * (3 + more / 2 * 4), 64), EINVAL);
    }
    if (form == 9) ashlar_free(nullptr);
  });
}

void Program::purge() {
  in_turn([&] {
    errno = kErrno;
    ashlar_malloc_trim(0);
  });
  books_.check_all();
  ASSERT_EQ(faults(), 0);
}

void Program::disturb() {
  switch (bytes_.below(3)) {
    case 0:
      return fakes::fail_nth(bytes_.between(1, 8));
    case 1:
      clock_ += bytes_.below(32) * 100'000'000;
      return fakes::set_clock(clock_);
    default:  // somebody else takes memory from the break
      if (page::g_window_owner.source() == page::Source::kSbrk)
        os::sys::sbrk(static_cast<intptr_t>(bytes_.size_up_to(64 * kKiB)));
  }
}

// The other thread's turn; or the second one ends, with blocks of its own still live.
void Program::switch_thread() {
  if (!may_use_thread_) return;
  if (worker_ == nullptr) worker_ = std::make_unique<fuzz::Worker>();
  if (bytes_.one_in(8)) worker_.reset();
  second_ = !second_;
}

void Program::step() {
  static constexpr void (Program::*kSteps[])() = {&Program::allocate,
                                                  &Program::allocate,
                                                  &Program::allocate,
                                                  &Program::allocate_many,
                                                  &Program::allocate_zeroed,
                                                  &Program::allocate_zeroed,
                                                  &Program::allocate_aligned,
                                                  &Program::allocate_aligned,
                                                  &Program::reallocate,
                                                  &Program::reallocate,
                                                  &Program::reallocate,
                                                  &Program::free_some,
                                                  &Program::free_some,
                                                  &Program::free_some,
                                                  &Program::free_some,
                                                  &Program::ask_impossible,
                                                  &Program::purge,
                                                  &Program::disturb,
                                                  &Program::switch_thread,
                                                  &Program::switch_thread};
  const size_t choice = bytes_.below(std::size(kSteps));
  failures_ = failures();
  (this->*kSteps[choice])();
}

void Program::finish() {
  fakes::fail_nth(0);
  ASSERT_EQ(faults(), 0);
  books_.check_all();
  while (books_.blocks() > 0)
    in_turn([this] { free_block(books_.blocks() - 1, 0); });
  worker_.reset();
  heap::purge();
  ASSERT_EQ(faults(), 0);
  ASSERT_EQ(page::g_pages.counters().live_pages, 0u);
  ASSERT_TRUE(page::nothing_to_purge());
  size_t blocks = 0, size = 0, peak = 0, table = 0;
  page::g_direct.totals(&blocks, &size, &peak, &table);
  ASSERT_EQ(blocks, 0u);
}

// Everything that is made once a process, without the window, which each input has its own of.
void start_without_window() {
  unsetenv("ASHLAR_CONF");
  fakes::fail_always(fakes::Call::kMmap, true);
  ASSERT_TRUE(heap::initialise());
  ASSERT_EQ(page::g_window_owner.reserved(), 0u);
  fakes::fail_always(fakes::Call::kMmap, false);
}

void start(fuzz::Bytes& bytes) {
  new (&cache::t_cache) cache::ThreadCache{};
  constexpr size_t kWindows[] = {0, 4 * kMiB, 8 * kMiB, 64 * kMiB};
  const size_t window = kWindows[bytes.below(4)];
  g_options.source = bytes.one_in(4) ? 1 : 0;
  g_options.direct_threshold = kMiB << bytes.below(3);
  g_options.bin_bytes = bytes.one_in(2) ? kMiB : bytes.size_up_to(64 * kKiB);
  g_options.cache_bytes = bytes.one_in(2) ? 2 * kMiB : bytes.size_up_to(256 * kKiB);
  g_options.hole_purge = bytes.below(2);
  const page::PageLayer::Config config{
      .source = g_options.source == 1 ? page::Source::kSbrk : page::Source::kMmap,
      .window_bytes = window,
      .window_capacity = window * (1 + bytes.below(4)),
      .purge_floor = bytes.size_up_to(2 * kMiB),
      .purge_share = bytes.between(1, 64),
      .regret_limit = bytes.size_up_to(4 * kMiB)};
  ASSERT_EQ(page::g_pages.initialise(config), window != 0);
}

void run(fuzz::Bytes& bytes) {
  start(bytes);
  const bool threads = bytes.one_in(2);
  // What a process with one thread does without, it does without here.
  __libc_single_threaded = threads ? 0 : 1;
  Program program(bytes, threads);
  for (size_t i = 0; i < kMostSteps && !bytes.empty(); ++i)
    program.step();
  program.finish();
}

}  // namespace
}  // namespace ashlar::heap

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return ashlar::fuzz::run_on_fresh_core(data, size, ashlar::heap::run, ashlar::heap::start_without_window);
}
