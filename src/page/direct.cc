#include "page/direct.h"

#include <sys/mman.h>

#include "base/bits.h"
#include "base/types.h"
#include "os/fatal.h"
#include "os/sys.h"
#include "os/system.h"

namespace ashlar::page {

using os::LockGuard;
using os::sys::failed;

constinit DirectTable g_direct;

namespace {

constexpr uintptr_t kEmpty = 0;
constexpr uintptr_t kTomb = 1;
constexpr size_t kFirstCapacity = 256;  // one page

size_t hash(uintptr_t start) { return (start >> kPageShift) * 0x9e3779b97f4a7c15u >> 20; }

void unmap(uintptr_t start, size_t size) {
  if (size == 0 || !failed(os::sys::munmap(reinterpret_cast<void*>(start), size))) return;
  // Neighbouring mappings are one to the kernel, and splitting it may exceed vm.max_map_count: the addresses
  // are lost then, but not the memory.
  os::sys::madvise(reinterpret_cast<void*>(start), size, MADV_DONTNEED);
}

// Maps `size` bytes at a multiple of alignment by mapping more and cutting the ends off. 0: no memory.
uintptr_t map_aligned(size_t size, size_t alignment) {
  const size_t slack = alignment > os::page_size() ? alignment : 0;
  size_t total = 0;
  if (__builtin_add_overflow(size, slack, &total)) return 0;
  const intptr_t result = os::sys::mmap(nullptr, total, PROT_READ | PROT_WRITE, 0);
  if (failed(result)) return 0;
  const uintptr_t start = static_cast<uintptr_t>(result);
  if (slack == 0) return start;
  const uintptr_t aligned = align_up(start, alignment);
  unmap(start, aligned - start);
  unmap(aligned + size, start + total - (aligned + size));
  return aligned;
}

}  // namespace

DirectTable::Entry* DirectTable::find_locked(uintptr_t start) const {
  if (capacity_ == 0) return nullptr;
  for (size_t i = hash(start) & (capacity_ - 1);; i = (i + 1) & (capacity_ - 1)) {
    if (entries_[i].start == start) return &entries_[i];
    if (entries_[i].start == kEmpty) return nullptr;
  }
}

void DirectTable::place_locked(uintptr_t start, size_t size) {
  size_t i = hash(start) & (capacity_ - 1);
  while (entries_[i].start > kTomb)
    i = (i + 1) & (capacity_ - 1);
  if (entries_[i].start == kEmpty) ++used_;
  entries_[i] = Entry{start, size};
}

// Room for one more entry: doubles the table, or clears it of tombs, when it is half used.
bool DirectTable::reserve_locked() {
  if ((used_ + moving_ + 1) * 2 <= capacity_) return true;
  Entry* const old_entries = entries_;
  const size_t old_capacity = capacity_;
  const bool crowded = (blocks_ + moving_) * 4 > old_capacity;
  const size_t capacity = old_capacity == 0 ? kFirstCapacity : crowded ? old_capacity * 2 : old_capacity;
  const intptr_t result =
      os::sys::mmap(nullptr, align_up(capacity * sizeof(Entry), os::page_size()), PROT_READ | PROT_WRITE, 0);
  if (failed(result))
    return used_ + moving_ + 1 < capacity_;  // fuller than wished, but one empty entry is left
  entries_ = reinterpret_cast<Entry*>(result);
  capacity_ = capacity;
  used_ = 0;
  for (size_t i = 0; i < old_capacity; ++i) {
    if (old_entries[i].start > kTomb) place_locked(old_entries[i].start, old_entries[i].size);
  }
  unmap(reinterpret_cast<uintptr_t>(old_entries), align_up(old_capacity * sizeof(Entry), os::page_size()));
  return true;
}

bool DirectTable::insert_locked(uintptr_t start, size_t size) {
  if (!reserve_locked()) return false;
  place_locked(start, size);
  ++blocks_;
  bytes_ += size;
  if (bytes_ > peak_bytes_) peak_bytes_ = bytes_;
  return true;
}

void DirectTable::erase_locked(Entry* entry) {
  --blocks_;
  bytes_ -= entry->size;
  *entry = Entry{kTomb, 0};
}

void* DirectTable::allocate(size_t size, size_t alignment) {
  const size_t mapped = align_up(size, os::page_size());
  const uintptr_t start = map_aligned(mapped, alignment);
  if (start == 0) return nullptr;
  bool inserted;
  {
    LockGuard guard(lock_);
    inserted = insert_locked(start, mapped);
  }
  if (!inserted) {
    unmap(start, mapped);
    return nullptr;
  }
  return reinterpret_cast<void*>(start);
}

bool DirectTable::release(void* p) {
  size_t size;
  {
    LockGuard guard(lock_);
    Entry* const entry = find_locked(reinterpret_cast<uintptr_t>(p));
    if (entry == nullptr || entry->start <= kTomb) return false;
    size = entry->size;
    erase_locked(entry);
  }
  unmap(reinterpret_cast<uintptr_t>(p), size);
  return true;
}

size_t DirectTable::size_of(const void* p) {
  LockGuard guard(lock_);
  const uintptr_t start = reinterpret_cast<uintptr_t>(p);
  if (start <= kTomb) return 0;
  const Entry* const entry = find_locked(start);
  return entry == nullptr ? 0 : entry->size;
}

void DirectTable::set_size_locked(Entry* entry, size_t size) {
  bytes_ += size - entry->size;
  entry->size = size;
  if (bytes_ > peak_bytes_) peak_bytes_ = bytes_;
}

// The end of a block that is smaller now. Where its addresses can't go back (vm.max_map_count, a filter) the
// block keeps them, but not the memory.
void DirectTable::release_end(uintptr_t start, size_t size, size_t old_size) {
  void* const end = reinterpret_cast<void*>(start + size);
  if (!failed(os::sys::munmap(end, old_size - size))) return;
  os::sys::madvise(end, old_size - size, MADV_DONTNEED);
  LockGuard guard(lock_);
  Entry* const entry = find_locked(start);
  if (entry != nullptr) set_size_locked(entry, old_size);
}

// A block that grows is taken out while its pages move, so that nobody who maps the old address meanwhile
// finds a stale entry; moving_ keeps its place.
void* DirectTable::resize(void* p, size_t size) {
  const uintptr_t start = reinterpret_cast<uintptr_t>(p);
  const size_t new_size = align_up(size, os::page_size());
  size_t old_size;
  {
    LockGuard guard(lock_);
    Entry* const entry = find_locked(start);
    if (entry == nullptr) return nullptr;
    old_size = entry->size;
    if (new_size < old_size) {
      set_size_locked(entry, new_size);
    } else if (new_size > old_size) {
      if (!reserve_locked()) return nullptr;
      erase_locked(find_locked(start));  // the table may have moved
      ++moving_;
    }
  }
  if (new_size < old_size) release_end(start, new_size, old_size);
  if (new_size <= old_size) return p;
  const intptr_t result = os::sys::mremap(p, old_size, new_size, MREMAP_MAYMOVE);
  const bool moved = !failed(result);
  LockGuard guard(lock_);
  --moving_;
  place_locked(moved ? static_cast<uintptr_t>(result) : start, moved ? new_size : old_size);
  ++blocks_;
  bytes_ += moved ? new_size : old_size;
  if (bytes_ > peak_bytes_) peak_bytes_ = bytes_;
  return moved ? reinterpret_cast<void*>(result) : nullptr;
}

uintptr_t DirectTable::containing(const void* p, size_t* size) {
  LockGuard guard(lock_);
  const uintptr_t address = reinterpret_cast<uintptr_t>(p);
  for (size_t i = 0; i < capacity_; ++i) {
    const Entry& entry = entries_[i];
    if (entry.start > kTomb && address - entry.start < entry.size) {
      *size = entry.size;
      return entry.start;
    }
  }
  return 0;
}

void DirectTable::totals(size_t* blocks, size_t* bytes, size_t* peak_bytes, size_t* table_bytes) {
  LockGuard guard(lock_);
  *blocks = blocks_;
  *bytes = bytes_;
  *peak_bytes = peak_bytes_;
  *table_bytes = capacity_ * sizeof(Entry);
}

void DirectTable::visit(void (*visitor)(uintptr_t, size_t, void*), void* context) {
  LockGuard guard(lock_);
  for (size_t i = 0; i < capacity_; ++i) {
    if (entries_[i].start > kTomb) visitor(entries_[i].start, entries_[i].size, context);
  }
}

bool DirectTable::check_invariants() {
  LockGuard guard(lock_);
  size_t blocks = 0;
  size_t bytes = 0;
  size_t used = 0;
  for (size_t i = 0; i < capacity_; ++i) {
    if (entries_[i].start != kEmpty) ++used;
    if (entries_[i].start <= kTomb) continue;
    ++blocks;
    bytes += entries_[i].size;
    ASHLAR_CHECK(find_locked(entries_[i].start) == &entries_[i]);
  }
  ASHLAR_CHECK(blocks == blocks_ && bytes == bytes_ && used <= used_);
  return true;
}

}  // namespace ashlar::page
