// The start of the heap, at the first slow path: options, window, registry, fork handlers.
//
// No constructor runs this: the first allocation may come before any.
#include <stdlib.h>

#include "base/option_text.h"
#include "base/options.h"
#include "cache/registry.h"
#include "heap/heap.h"
#include "os/fatal.h"
#include "os/sys.h"
#include "os/system.h"

// A program may define this to set options without the environment; see docs/options.md.
extern "C" __attribute__((weak, visibility("default"))) const char* ashlar_conf;

#ifndef ASHLAR_CACHE_POINTER
// The interface's chance to refuse this process, right before the heap starts (preload/sanitizer.cc). Called
// once, under the lock of the start; allocates nothing. Null in the layers' tests.
extern "C" __attribute__((weak, visibility("hidden"))) void ashlar_before_start();
#endif

namespace ashlar::heap {

namespace {

enum class State : int { kNone, kStarting, kReady };

constinit std::atomic<State> g_state{State::kNone};
constinit os::Lock g_init_lock{os::LockRank::kInit};
// ORDER: relaxed but for the exchange: set before kReady is published; a look before the exchange that
// decides who reads the environment.
constinit std::atomic<bool> g_environment_pending{false};

void report_option(const OptionError& error, void* context) {
  char text[kOptionErrorBytes];
  describe(error, ", ignored", text, sizeof text);
  os::Message message;
  message.text(static_cast<const char*>(context)).text(": ").text(text);
  message.write_line(2);
}

void read_environment() {
  // secure_getenv: a program with more rights than its caller listens to nobody.
  const char* const text = secure_getenv("ASHLAR_CONF");
  if (text != nullptr) {
    parse_options(text, OptionOrigin::kEnvironment, report_option, const_cast<char*>("ASHLAR_CONF"));
  }
}

void read_options() {
  parse_options(ASHLAR_DEFAULT_CONF, OptionOrigin::kLibrary, report_option,
                const_cast<char*>("built-in options"));
  if (&ashlar_conf != nullptr && ashlar_conf != nullptr) {
    parse_options(ashlar_conf, OptionOrigin::kProgram, report_option, const_cast<char*>("ashlar_conf"));
  }
  if (os::libc_started()) {
    read_environment();
  } else {  // before libc's own start
    g_environment_pending.store(true, std::memory_order_relaxed);
  }
}

constexpr size_t kLeastCapacity = 1024 * kMiB;  // a smaller window may grow to this much in place
constexpr size_t kRegretShare = 16;             // the guard against thrashing may keep memory / this

constinit size_t g_memory = 0;  // RAM or the cgroup's limit, read once

// Twice the RAM, as other ranges are not yet found.
size_t window_bytes() {
  size_t bytes = g_options.window;
  if (bytes == kAuto) bytes = g_memory > kLeastCapacity / 2 ? 2 * g_memory : kLeastCapacity;
  const size_t most = kOptionInfos[kOption_window].maximum;  // what 32-bit page and slab numbers allow
  return bytes > most ? most : bytes;
}

// The option; but where nobody set it, no more than a share of a small memory.
size_t regret_limit() {
  const size_t most = g_memory / kRegretShare;
  const bool is_default = g_option_origins[kOption_regret_limit] == OptionOrigin::kDefault;
  return is_default && g_options.regret_limit > most ? most : g_options.regret_limit;
}

page::PageLayer::Config page_config() {
  page::PageLayer::Config config;
  config.source = g_options.source == 1 ? page::Source::kSbrk : page::Source::kMmap;
  config.purge_floor = g_options.purge_floor;
  config.purge_share = g_options.purge_share;
  config.regret_limit = regret_limit();
  return config;
}

ASHLAR_NOINLINE bool initialise_slow() {
  os::LockGuard guard(g_init_lock);
  // ORDER: relaxed here and for kStarting: under the lock.
  const State state = g_state.load(std::memory_order_relaxed);
  if (state == State::kReady) return true;
  if (state == State::kStarting) return false;  // this very thread, from a hook that allocates
  g_state.store(State::kStarting, std::memory_order_relaxed);
#ifndef ASHLAR_CACHE_POINTER
  if (&ashlar_before_start != nullptr) ashlar_before_start();
#endif
  read_options();
  g_memory = os::memory_size();
  page::PageLayer::Config config = page_config();
  config.window_bytes = window_bytes();
  config.window_capacity = kLeastCapacity;
  page::g_pages.initialise(config);  // without a window, every block is mapped directly
  // ORDER: release pairs with the acquire of initialise: window and options are there.
  g_state.store(State::kReady, std::memory_order_release);
  cache::initialise_registry();
  register_fork_handlers();
  return true;
}

}  // namespace

bool initialise() {
  if (ASHLAR_LIKELY(g_state.load(std::memory_order_acquire) == State::kReady)) {
    if (ASHLAR_UNLIKELY(g_environment_pending.load(std::memory_order_relaxed)) && os::libc_started() &&
        g_environment_pending.exchange(false)) {
      read_environment();
      page::g_pages.configure_purge(page_config());
    }
    return true;
  }
  return initialise_slow();
}

}  // namespace ashlar::heap
