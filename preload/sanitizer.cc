// Refuses to serve a program that has a sanitizer with a malloc of its own (Address-, Thread-, Leak-,
// Memory-, HWAddressSanitizer): served by Ashlar it would miss faults without a word, or report races that
// are none.
//
// Only where Ashlar's malloc is the program's. A sanitizer's runtime that stands before Ashlar (linked into
// the program, or preloaded first) serves by itself, and Ashlar is not asked for memory.
//
// Calls nothing of libc's: a sanitizer that has not started yet crashes in what it intercepts.
#include <malloc.h>

#include "heap/heap.h"
#include "os/fatal.h"
#include "os/sys.h"

// Of <sanitizer/allocator_interface.h>: every runtime with a malloc has it, and none without (UBSan's).
extern "C" __attribute__((weak, visibility("default"))) int __sanitizer_get_ownership(const volatile void*);
// Those of c_api.cc under names that nothing interposes.
extern "C" __attribute__((visibility("hidden"))) void* ashlar_own_malloc(size_t);
extern "C" __attribute__((visibility("hidden"))) void* ashlar_own_pvalloc(size_t);

namespace {

// True if the name that everybody is bound to is this function: a compiler may not assume that two symbols
// differ.
bool is_bound_to(void* (*name)(size_t), void* (*own)(size_t)) {
  __asm__("" : "+r"(name));
  return name == own;
}

// Of two names, since the address of one may be an entry of the program itself, which calls ours: where a
// program that is not position-independent takes malloc's address. Nobody takes pvalloc's.
bool serves() { return is_bound_to(malloc, ashlar_own_malloc) || is_bound_to(pvalloc, ashlar_own_pvalloc); }

}  // namespace

// Right before the heap starts (heap/init.cc), in whoever asks for memory first.
extern "C" void ashlar_before_start() {
  if (ASHLAR_LIKELY(&__sanitizer_get_ownership == nullptr)) return;
  if (!serves()) return;
  ashlar::os::Message message;
  message.text("this program has a sanitizer with a malloc of its own (Address-, Thread-, Leak- or ");
  message.text(
      "MemorySanitizer), and Ashlar stands in its place: it would miss faults, or report false ones. ");
  message.text("Run it without Ashlar, neither preloaded nor linked in.");
  message.write_line(2);
  ashlar::os::sys::exit(1);
}
