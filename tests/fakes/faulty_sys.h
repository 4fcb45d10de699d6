// The contract of os/sys.h with calls that fail on demand. Thread-safe, but set it up with one thread.
//
// "Failable" calls are those that a kernel refuses in earnest: mappings, protections, advice, the break,
// files, membarrier. Writing, futexes, clocks and limits always work.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ashlar::fakes {

enum class Call : unsigned {
  kMmap,
  kMunmap,
  kMprotect,
  kMadvise,
  kMremap,
  kMincore,
  kSbrk,
  kOpen,
  kRead,
  kMembarrier,
  kCount
};

// Everything works again; counts are zero.
void reset();

// The nth failable call from now on fails, once; 0: none does.
void fail_nth(uint64_t nth);
bool nth_was_reached();

// All calls of this kind fail until told otherwise.
void fail_always(Call call, bool fail);

// mmap of this many bytes or more fails; 0: no such limit.
void fail_mmap_from(size_t bytes);

// mprotect fails once it has made this many bytes accessible in all; 0: no such limit.
void limit_opened(size_t bytes);

uint64_t calls(Call call);
uint64_t failures(Call call);

}  // namespace ashlar::fakes
