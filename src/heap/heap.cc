#include "heap/heap.h"

#include <string.h>

#include "base/options.h"
#include "cache/bin_access.h"
#include "cache/registry.h"
#include "os/fatal.h"
#include "os/sys.h"
#include "page/direct.h"

namespace ashlar::heap {

using cache::SlowPath;
using page::g_direct;
using page::g_pages;
using slab::kClasses;

namespace {

constexpr size_t kGrowByPages = 16 * kKiB;  // a block that grows beyond this gets pages, to grow in place

// What a pointer names. kNone: inside the window, but no live block starts there as far as can be told.
struct Block {
  enum Kind { kSlot, kLarge, kDirect, kNone, kForeign } kind;
  unsigned index;  // size class, for kSlot
  size_t size;     // usable bytes
};

Block look_up(const void* p) {
  PageIndex page = 0;
  if (!page::find_page(p, &page)) {
    SlowPath section;  // the direct lock
    const size_t size = g_direct.size_of(p);
    return size != 0 ? Block{Block::kDirect, 0, size} : Block{Block::kForeign, 0, 0};
  }
  // ORDER: relaxed, as in find_code.
  const unsigned index = __atomic_load_n(page::g_window.map + page, __ATOMIC_RELAXED) / 2u;
  if (index != 0) return Block{Block::kSlot, index, kClasses[index].size};
  const PageCount pages = page::PageLayer::large_length(page);
  if (pages == 0 || reinterpret_cast<uintptr_t>(p) % kPageSize != 0) return Block{Block::kNone, 0, 0};
  return Block{Block::kLarge, 0, pages_to_bytes(pages)};
}

[[noreturn]] void stop_no_block(const char* call, const void* p) {
  os::Message message;
  message.text(call).text(" of ").hex(reinterpret_cast<uintptr_t>(p));
  PageIndex page = 0;
  size_t size = 0;
  const bool inside = page::find_page(p, &page);
  const uintptr_t direct = inside ? 0 : g_direct.containing(p, &size);
  if (inside) {
    message.text(", which is no live block: it lies in page ").number(page).text(" of the heap at ");
    message.hex(page::g_window.base).text(" (free, or inside a large block)");
  } else if (direct != 0) {
    message.text(", which is no live block: it lies inside the direct mapping of ").number(size);
    message.text(" bytes at ").hex(direct);
  } else {
    message.text(
        ", which is not Ashlar's: it belongs to another allocator, to a mapping or to no block at all");
  }
  os::fatal(message);
}

void* take_slot_slow(unsigned index, size_t requested) {
  void* const slot = cache::pop(slab::class_code(index));
  if (slot != nullptr) return slot;
  SlowPath section;
  return cache::refill(index, requested);
}

void* try_allocate(size_t size) {
  if (size <= slab::kMaxSlotSize) return take_slot_slow(slab::class_of_size(size), size);
  return allocate_large(size, 1);
}

// No room: a small block gets a mapping of its own where only the window is full; where memory is
// exhausted, everything free goes back first, then one more try.
template <typename Try>
ASHLAR_NOINLINE void* retry_exhausted(size_t size, size_t alignment, Try attempt) {
  const bool small = size <= slab::kMaxSlotSize;
  if (small) {
    SlowPath section;
    void* const p = g_direct.allocate(size, alignment);
    if (p != nullptr) return p;
  }
  {
    SlowPath section;
    g_pages.heed_limits(size);
  }
  purge();
  void* const p = attempt();
  if (p != nullptr || !small) return p;
  SlowPath section;
  return g_direct.allocate(size, alignment);
}

// Moves a block's content to `target`, if there is one, and frees it.
void* move_block(void* p, size_t old_size, void* target, size_t size) {
  if (target == nullptr) return nullptr;
  memcpy(target, p, old_size < size ? old_size : size);
  deallocate(p);
  return target;
}

void* reallocate_slot(void* p, const Block& block, size_t size) {
  static_cast<void>(slab::place_of(p, block.index));  // an interior pointer stops here
  if (size <= block.size && size >= block.size / 2) return p;
  if (size <= block.size && slab::class_of_size(size) == block.index) return p;
  const bool grows_far = size > block.size && size > kGrowByPages && size <= slab::kMaxSlotSize;
  if (!grows_far) {
    void* const moved = move_block(p, block.size, allocate(size), size);
    return moved != nullptr || size > block.size ? moved : p;  // shrinking never fails
  }
  void* const target = allocate_large(size, 1);
  return move_block(p, block.size, target != nullptr ? target : allocate(size), size);
}

void* reallocate_large(void* p, const Block& block, size_t size) {
  if (size > slab::kMaxSlotSize || size >= block.size / 2) {
    void* const resized = resize_large(p, block.size, size);
    if (resized != nullptr) return resized;
  }
  void* const moved = move_block(p, block.size, allocate(size), size);
  return moved != nullptr || size > block.size ? moved : p;
}

// ORDER: its load relaxed, a look before the exchange that decides who prints.
constinit std::atomic<bool> g_foreign_named{false};

}  // namespace

void* allocate_slow(size_t size) {
  if (ASHLAR_UNLIKELY(size > kMaxSize)) return nullptr;
  if (size == 0) size = 1;
  if (size <= slab::kMaxSlotSize && size > slab::kTableLimit) {  // a hit in a bin of the larger classes
    void* const slot = cache::pop(slab::class_code(slab::class_of_size(size)));
    if (ASHLAR_LIKELY(slot != nullptr)) return slot;
  }
  initialise();
  void* const p = try_allocate(size);
  if (ASHLAR_LIKELY(p != nullptr)) return p;
  return retry_exhausted(size, 1, [size] { return try_allocate(size); });
}

void* allocate_zeroed(size_t size) {
  if (size <= slab::kMaxSlotSize) {
    void* const p = allocate(size);
    if (ASHLAR_UNLIKELY(p == nullptr)) return nullptr;
    // To the end of the slot. (A block that has a mapping of its own, since the window is full, is no
    // shorter.)
    return memset(p, 0, kClasses[slab::class_of_size(size == 0 ? 1 : size)].size);
  }
  if (size > kMaxSize) return nullptr;
  initialise();
  const auto attempt = [size] { return allocate_large_zeroed(size); };
  void* const p = attempt();
  return p != nullptr ? p : retry_exhausted(size, 1, attempt);
}

void* allocate_aligned(size_t alignment, size_t size) {
  if (size > kMaxSize || alignment > kMaxSize) return nullptr;
  if (size == 0) size = 1;
  if (alignment <= 16) return allocate(size);
  initialise();
  const size_t rounded = align_up(size, alignment);
  if (rounded <= slab::kMaxSlotSize && alignment <= kPageSize) {
    unsigned index = slab::class_of_size(rounded);
    while ((kClasses[index].size & (alignment - 1)) != 0)
      ++index;  // ends: 32 KiB is a multiple of them all
    return allocate(kClasses[index].size);
  }
  const auto attempt = [=] { return allocate_large(size, alignment); };
  void* const p = attempt();
  return p != nullptr ? p : retry_exhausted(size, alignment, attempt);
}

void* reallocate(void* p, size_t size) {
  if (p == nullptr) return allocate(size);
  if (size == 0) {
    deallocate(p);
    return nullptr;
  }
  if (size > kMaxSize) return nullptr;
  const Block block = look_up(p);
  switch (block.kind) {
    case Block::kSlot:
      return reallocate_slot(p, block, size);
    case Block::kLarge:
    case Block::kDirect:
      return reallocate_large(p, block, size);
    default:
      stop_no_block("realloc", p);
  }
}

size_t usable_size(const void* p) {
  if (p == nullptr) return 0;
  const Block block = look_up(p);
  if (block.kind == Block::kNone || block.kind == Block::kForeign) stop_no_block("malloc_usable_size", p);
  return block.size;
}

bool owns(const void* p) {
  PageIndex page = 0;
  size_t size = 0;
  if (page::find_page(p, &page)) return true;
  SlowPath section;
  return g_direct.containing(p, &size) != 0;
}

size_t purge() {
  if (!initialise()) return 0;
  SlowPath section;
  cache::flush_all();
  slab::release_kept();
  const size_t holes = slab::purge_all_holes();
  return pages_to_bytes(holes + g_pages.purge_all());
}

void free_foreign_slow(void* p) {
  if (p == nullptr) return;
  SlowPath section;
  if (g_direct.release(p)) return;
  if (g_options.foreign != 1 && g_foreign_named.load(std::memory_order_relaxed)) return;
  size_t size = 0;
  if (g_direct.containing(p, &size) != 0 || g_options.foreign == 1) stop_no_block("free", p);
  if (g_foreign_named.exchange(true)) return;
  os::Message message;
  message.text("free of ").hex(reinterpret_cast<uintptr_t>(p));
  message.text(
      " ignored, which is not Ashlar's: it belongs to another allocator or to no block at all;"
      " further ones are ignored silently (option foreign:abort stops instead)");
  message.write_line(2);  // without the process's number, at whose system call a sandbox may kill
}

static ASHLAR_NOINLINE void free_pages_slow(void* p) {
  if (free_large(p)) return;
  PageIndex page = 0;
  if (!page::find_page(p, &page)) return free_foreign_slow(p);  // it came by a bound that was old
  stop_no_block("free", p);
}

void free_overflow_slow(void* p, size_t code) {
  cache::BinAccess(code).undo_take();
  if (ASHLAR_UNLIKELY(code == 0)) return free_pages_slow(p);
  cache::overflow(p, static_cast<unsigned>(code / 2));
}

void free_twice_slow(void* p) {
  os::Message message;
  message.text("double free of ").hex(reinterpret_cast<uintptr_t>(p));
  const Block block = look_up(p);
  message.text(": it was the last block of ").number(block.size).text(" B that this thread freed");
  os::fatal(message);
}

}  // namespace ashlar::heap
