// The heap: from a size to a path through the layers. What preload/ wraps in C names.
//
// No function here sets errno; null means exhausted memory or an impossible size. Any thread.
#pragma once

#include "heap/fast_path.h"

namespace ashlar::heap {

inline constexpr size_t kMaxSize = PTRDIFF_MAX;

// `size` zeroed bytes, and zeroed to the end of the block.
void* allocate_zeroed(size_t size);

// At a multiple of `alignment`, a power of two.
void* allocate_aligned(size_t alignment, size_t size);

// As realloc(3): null p allocates, size 0 frees and returns null; on failure p stays as it was.
void* reallocate(void* p, size_t size);

// Bytes that the block may be written in, 0 for null. A pointer that is no live block stops the program.
size_t usable_size(const void* p);

// True if p lies in memory of ours, live or not.
bool owns(const void* p);

// Everything free goes back: this thread's bins, kept slabs, holes, free pages. Bytes.
size_t purge();

// Starts the heap (init.cc); every slow path calls it first. False only while it is under way, in the
// thread that does it.
bool initialise();

// Fork handlers' bodies (fork.cc); registered by initialise.
void register_fork_handlers();

// Large blocks (large.cc): more than 32 KiB, or page-aligned.
void* allocate_large(size_t size, size_t alignment);
void* allocate_large_zeroed(size_t size);
bool free_large(void* p);                                   // false: no large block of the window starts at p
void* resize_large(void* p, size_t old_size, size_t size);  // null: could not in place

}  // namespace ashlar::heap
