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
// malloc of c_api.cc under a name that nothing interposes.
extern "C" __attribute__((visibility("hidden"))) void* ashlar_own_malloc(size_t);

// Right before the heap starts (heap/init.cc), in whoever asks for memory first.
extern "C" void ashlar_before_start() {
  if (ASHLAR_LIKELY(&__sanitizer_get_ownership == nullptr)) return;
  if (&malloc != &ashlar_own_malloc) return;  // malloc's address is the one that everybody is bound to
  ashlar::os::Message message;
  message.text("this program has a sanitizer with a malloc of its own (Address-, Thread-, Leak- or ");
  message.text(
      "MemorySanitizer), and Ashlar stands in its place: it would miss faults, or report false ones. ");
  message.text("Run it without Ashlar, neither preloaded nor linked in.");
  message.write_line(2);
  ashlar::os::sys::exit(1);
}
