// mallinfo2, malloc_info and malloc_stats: glibc's reports, filled from our statistics.
#pragma once

#include <malloc.h>
#include <stdio.h>

namespace ashlar::preload {

// arena: bytes opened in the window; hblkhd: bytes mapped directly; uordblks: live bytes in the window,
// fordblks: the rest of the arena (free pages, free slots, bins), so uordblks + fordblks = arena.
struct mallinfo2 read_mallinfo();

// XML of glibc's shape (version 1). 0, or an errno value.
int write_malloc_info(FILE* stream);

// A short text on stderr.
void write_malloc_stats();

}  // namespace ashlar::preload
