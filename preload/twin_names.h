// Included by a file of the interface behind its other includes: what it defines from there on under a name
// of malloc(3) is the twin of that name in <ashlar/malloc.h>. For the libraries beside the process's malloc.
#pragma once

#include "ashlar/malloc.h"

// NOLINTBEGIN(readability-identifier-naming): the names of malloc(3)
#define malloc ashlar_malloc
#define calloc ashlar_calloc
#define realloc ashlar_realloc
#define reallocarray ashlar_reallocarray
#define free ashlar_free
#define free_sized ashlar_free_sized
#define free_aligned_sized ashlar_free_aligned_sized
#define aligned_alloc ashlar_aligned_alloc
#define posix_memalign ashlar_posix_memalign
#define memalign ashlar_memalign
#define valloc ashlar_valloc
#define pvalloc ashlar_pvalloc
#define malloc_usable_size ashlar_malloc_usable_size
#define malloc_trim ashlar_malloc_trim
#define malloc_info ashlar_malloc_info
#define malloc_stats ashlar_malloc_stats
// NOLINTEND(readability-identifier-naming)
