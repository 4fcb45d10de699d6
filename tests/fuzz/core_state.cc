// The state and the mappings of the core; see core_state.h.
#include "core_state.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "fakes/faulty_sys.h"
#include "os/system.h"

// From state.ld. NOLINTNEXTLINE(readability-identifier-naming)
extern "C" char ashlar_state_start[], ashlar_state_end[];

namespace ashlar::fuzz {
namespace {

constexpr size_t kBreakRoom = size_t{256} << 20;
constexpr uint64_t kNow = uint64_t{3600} * 1'000'000'000;  // the machine has been up for an hour

std::mutex g_mutex;
std::map<uintptr_t, uintptr_t> g_ranges;  // start -> end, apart from one another

void cut_locked(uintptr_t start, uintptr_t end) {
  auto range = g_ranges.upper_bound(start);
  if (range != g_ranges.begin()) --range;
  while (range != g_ranges.end() && range->first < end) {
    const auto [first, last] = *range;
    if (last <= start) {
      ++range;
      continue;
    }
    range = g_ranges.erase(range);
    if (first < start) g_ranges.emplace(first, start);
    if (last > end) g_ranges.emplace(end, last);
  }
}

void mapped(uintptr_t start, size_t size) {
  const std::lock_guard guard(g_mutex);
  cut_locked(start, start + size);
  g_ranges.emplace(start, start + size);
}

void unmapped(uintptr_t start, size_t size) {
  const std::lock_guard guard(g_mutex);
  cut_locked(start, start + size);
}

void unmap_all() {
  for (const auto& [start, end] : g_ranges)
    munmap(reinterpret_cast<void*>(start), end - start);
  g_ranges.clear();
}

// Word by word, and unseen by the sanitizer: what lies between the variables is its own.
#if defined(__clang__) || defined(__SANITIZE_ADDRESS__)
__attribute__((no_sanitize("address")))
#endif
void copy_words(volatile uint64_t* to, const volatile uint64_t* from, size_t words) {
  for (size_t i = 0; i < words; ++i)
    to[i] = from[i];
}

// The core's variables when the first input came.
class State {
 public:
  State() : saved_(words()) { copy_words(saved_.data(), variables(), words()); }
  void restore() const { copy_words(variables(), saved_.data(), words()); }

 private:
  static volatile uint64_t* variables() { return reinterpret_cast<volatile uint64_t*>(ashlar_state_start); }
  static size_t words() { return static_cast<size_t>(ashlar_state_end - ashlar_state_start) / 8; }

  std::vector<uint64_t> saved_;
};

char* break_room() {
  static char* const room = [] {
    void* const p =
        mmap(nullptr, kBreakRoom, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
      std::perror("no room for a program break");
      std::abort();
    }
    return static_cast<char*>(p);
  }();
  madvise(room, kBreakRoom, MADV_DONTNEED);
  return room;
}

void prepare_system() {
  fakes::reset();
  fakes::set_file("/proc/meminfo", "MemTotal:       16777216 kB\n");
  fakes::set_file("/proc/self/cgroup", "0::/\n");
  fakes::hide_other_files(true);
  fakes::set_clock(kNow);
  fakes::set_break(break_room(), kBreakRoom);
  fakes::observe_mappings(mapped, unmapped);
}

}  // namespace

FreshCore::FreshCore(void (*prepare)()) {
  prepare_system();
  static const State state = [prepare] {
    if (reinterpret_cast<uintptr_t>(ashlar_state_end) == reinterpret_cast<uintptr_t>(ashlar_state_start)) {
      std::fputs("the core's variables are not where state.ld puts them\n", stderr);
      std::abort();
    }
    if (prepare != nullptr) prepare();
    return State();
  }();
  state.restore();
  unmap_all();
}

FreshCore::~FreshCore() { unmap_all(); }

}  // namespace ashlar::fuzz
