// The contract of os/sys.h with calls that fail on demand, and a kernel and limits that this machine hasn't
// got. Thread-safe, but set it up with one thread.
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

// mmap of this many bytes or more fails with -error; 0: no such limit.
void fail_mmap_from(size_t bytes, int error = 12);  // ENOMEM

// mprotect fails once it has made this many bytes accessible in all; 0: no such limit.
void limit_opened(size_t bytes);

// The kernel's page size: calls whose addresses or sizes are no multiples of it fail with EINVAL, mappings
// begin at multiples of it. Before the first use of the core; 0: the real one.
void set_page_size(size_t bytes);
uint64_t misaligned_calls();  // refused for that, since reset

// The highest address that a mapping was asked for at, as a hint or fixed.
uintptr_t highest_hint();

// A file that reads as this text, whatever the real one says; null: it can't be opened. Both strings stay the
// caller's. At most eight.
void set_file(const char* path, const char* text);
// Files that were not set can't be opened.
void hide_other_files(bool hide);

// The soft limit of a resource, as os/sys.h numbers them. It is only read: enforcing it is fail_mmap_from's.
void set_limit(int resource, uint64_t soft);

// Told of every range that is mapped, and of every one that no longer is (mremap: of both, in this order).
// Null: nobody.
using RangeObserver = void (*)(uintptr_t start, size_t size);
void observe_mappings(RangeObserver mapped, RangeObserver unmapped);

// The program break lies in this range, at its start now, and moves in it alone; null: the real one. The
// range is accessible; what the break is lowered over is zeroed.
void set_break(char* start, size_t size);

// The clock stands still at this reading; 0: the real one.
void set_clock(uint64_t nanoseconds);

uint64_t calls(Call call);
uint64_t failures(Call call);

}  // namespace ashlar::fakes
