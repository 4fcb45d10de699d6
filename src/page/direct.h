// Direct mappings: the largest blocks, each a mapping of its own, and what the window has no room for.
//
// Owns the table of them, which is out of band: a pointer is looked up, never followed. Growing moves
// pages, not bytes (mremap); shrinking unmaps the end, and never fails. Open addressing with linear probing
// over (start, size), in a mapping that doubles; at most half full.
//
// LOCKS: every function takes the direct lock; mmap, munmap and mremap are called without it. A block that
// grows or goes is out of the table by then, so that a racing free of it finds nothing; one that shrinks has
// its new size.
#pragma once

#include <cstddef>
#include <cstdint>

#include "os/lock.h"

namespace ashlar::page {

class DirectTable {
 public:
  // A zeroed block of at least `size` bytes at a multiple of `alignment`; null: no memory.
  void* allocate(size_t size, size_t alignment);

  // False if no block starts at p.
  bool release(void* p);

  // Usable bytes of the block that starts at p, 0 if none does.
  size_t size_of(const void* p);

  // The block resized, moved or not, or null: then nothing changed. p must be a block's start.
  void* resize(void* p, size_t size);

  // The block that contains p: its start, 0 if none. For reports and `owns`.
  uintptr_t containing(const void* p, size_t* size);

  void totals(size_t* blocks, size_t* bytes, size_t* peak_bytes, size_t* table_bytes);

  // Calls visitor(start, size, context) for each block, with the lock held.
  void visit(void (*visitor)(uintptr_t start, size_t size, void* context), void* context);

  bool check_invariants();
  os::Lock& lock() { return lock_; }

 private:
  struct Entry {
    uintptr_t start;  // 0: empty, 1: was used
    size_t size;
  };

  Entry* find_locked(uintptr_t start) const;
  bool insert_locked(uintptr_t start, size_t size);
  void erase_locked(Entry* entry);
  void set_size_locked(Entry* entry, size_t size);
  void release_end(uintptr_t start, size_t size, size_t old_size);
  bool reserve_locked();
  void place_locked(uintptr_t start, size_t size);

  os::Lock lock_{os::LockRank::kDirect};
  Entry* entries_ = nullptr;
  size_t capacity_ = 0;  // a power of two
  size_t used_ = 0;      // entries that are not empty, tombs included
  size_t blocks_ = 0;
  size_t moving_ = 0;  // blocks out of the table while mremap moves them: each keeps a place
  size_t bytes_ = 0;
  size_t peak_bytes_ = 0;
};

extern constinit DirectTable g_direct;

}  // namespace ashlar::page
