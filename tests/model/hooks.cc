// What the compiler calls at every memory access of code built with -fsanitize=thread, here linked without
// the sanitizer's run-time library. Outside of an exploration each does what the access says and no more.
//
// The names and signatures are those of gcc and clang (compiler-rt's tsan_interface.h and
// tsan_interface_atomic.h).
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "explorer.h"

namespace {

using ashlar::model::Atomic;
using ashlar::model::g_explorer;
using ashlar::model::Kind;
using ashlar::model::Outcome;

void plain(const void* address, size_t size, bool writes) {
  if (g_explorer.active()) g_explorer.plain(address, size, writes);
}

// A read-modify-write, load or store; what was there before.
template <typename T>
T access(volatile T* object, Kind kind, T operand, int order) {
  if (g_explorer.active()) {
    return static_cast<T>(g_explorer
                              .atomic(Atomic{kind, sizeof(T), reinterpret_cast<uintptr_t>(object),
                                             static_cast<uint64_t>(operand), 0, order, order})
                              .before);
  }
  switch (kind) {
    case Kind::kLoad:
      return __atomic_load_n(object, __ATOMIC_SEQ_CST);
    case Kind::kStore:
      __atomic_store_n(object, operand, __ATOMIC_SEQ_CST);
      return operand;
    case Kind::kExchange:
      return __atomic_exchange_n(object, operand, __ATOMIC_SEQ_CST);
    case Kind::kAdd:
      return __atomic_fetch_add(object, operand, __ATOMIC_SEQ_CST);
    case Kind::kSub:
      return __atomic_fetch_sub(object, operand, __ATOMIC_SEQ_CST);
    case Kind::kAnd:
      return __atomic_fetch_and(object, operand, __ATOMIC_SEQ_CST);
    case Kind::kOr:
      return __atomic_fetch_or(object, operand, __ATOMIC_SEQ_CST);
    default:
      return __atomic_fetch_xor(object, operand, __ATOMIC_SEQ_CST);
  }
}

template <typename T>
bool compare(volatile T* object, T* expected, T desired, int order, int failure_order) {
  if (!g_explorer.active()) {
    return __atomic_compare_exchange_n(object, expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  }
  const Outcome outcome = g_explorer.atomic(
      Atomic{Kind::kCompare, sizeof(T), reinterpret_cast<uintptr_t>(object), static_cast<uint64_t>(desired),
             static_cast<uint64_t>(*expected), order, failure_order});
  if (!outcome.wrote) *expected = static_cast<T>(outcome.before);
  return outcome.wrote;
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming, bugprone-reserved-identifier): the compiler's names
extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void** place, void*) { plain(place, sizeof *place, true); }
void __tsan_vptr_read(void** place) { plain(place, sizeof *place, false); }
void __tsan_read_range(void* start, size_t size) { plain(start, size, false); }
void __tsan_write_range(void* start, size_t size) { plain(start, size, true); }
void __tsan_atomic_thread_fence(int order) {
  if (g_explorer.active()) return g_explorer.fence(order);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
void __tsan_atomic_signal_fence(int) {}

#define ASHLAR_MODEL_PLAIN(size)                                                        \
  void __tsan_read##size(void* place) { plain(place, size, false); }                    \
  void __tsan_write##size(void* place) { plain(place, size, true); }                    \
  void __tsan_unaligned_read##size(void* place) { plain(place, size, false); }          \
  void __tsan_unaligned_write##size(void* place) { plain(place, size, true); }          \
  void __tsan_volatile_read##size(void* place) { plain(place, size, false); }           \
  void __tsan_volatile_write##size(void* place) { plain(place, size, true); }           \
  void __tsan_unaligned_volatile_read##size(void* place) { plain(place, size, false); } \
  void __tsan_unaligned_volatile_write##size(void* place) { plain(place, size, true); } \
  void __tsan_read_write##size(void* place) { plain(place, size, true); }               \
  void __tsan_unaligned_read_write##size(void* place) { plain(place, size, true); }
ASHLAR_MODEL_PLAIN(1)
ASHLAR_MODEL_PLAIN(2)
ASHLAR_MODEL_PLAIN(4)
ASHLAR_MODEL_PLAIN(8)
ASHLAR_MODEL_PLAIN(16)
#undef ASHLAR_MODEL_PLAIN

#define ASHLAR_MODEL_ATOMIC(bits)                                                                            \
  uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t* place, int order) {               \
    return access(const_cast<volatile uint##bits##_t*>(place), Kind::kLoad, uint##bits##_t{0}, order);       \
  }                                                                                                          \
  void __tsan_atomic##bits##_store(volatile uint##bits##_t* place, uint##bits##_t value, int order) {        \
    static_cast<void>(access(place, Kind::kStore, value, order));                                            \
  }                                                                                                          \
  uint##bits##_t __tsan_atomic##bits##_exchange(volatile uint##bits##_t* place, uint##bits##_t value,        \
                                                int order) {                                                 \
    return access(place, Kind::kExchange, value, order);                                                     \
  }                                                                                                          \
  uint##bits##_t __tsan_atomic##bits##_fetch_add(volatile uint##bits##_t* place, uint##bits##_t value,       \
                                                 int order) {                                                \
    return access(place, Kind::kAdd, value, order);                                                          \
  }                                                                                                          \
  uint##bits##_t __tsan_atomic##bits##_fetch_sub(volatile uint##bits##_t* place, uint##bits##_t value,       \
                                                 int order) {                                                \
    return access(place, Kind::kSub, value, order);                                                          \
  }                                                                                                          \
  uint##bits##_t __tsan_atomic##bits##_fetch_and(volatile uint##bits##_t* place, uint##bits##_t value,       \
                                                 int order) {                                                \
    return access(place, Kind::kAnd, value, order);                                                          \
  }                                                                                                          \
  uint##bits##_t __tsan_atomic##bits##_fetch_or(volatile uint##bits##_t* place, uint##bits##_t value,        \
                                                int order) {                                                 \
    return access(place, Kind::kOr, value, order);                                                           \
  }                                                                                                          \
  uint##bits##_t __tsan_atomic##bits##_fetch_xor(volatile uint##bits##_t* place, uint##bits##_t value,       \
                                                 int order) {                                                \
    return access(place, Kind::kXor, value, order);                                                          \
  }                                                                                                          \
  bool __tsan_atomic##bits##_compare_exchange_strong(volatile uint##bits##_t* place,                         \
                                                     uint##bits##_t* expected, uint##bits##_t value,         \
                                                     int order, int failure) {                               \
    return compare(place, expected, value, order, failure);                                                  \
  }                                                                                                          \
  bool __tsan_atomic##bits##_compare_exchange_weak(volatile uint##bits##_t* place, uint##bits##_t* expected, \
                                                   uint##bits##_t value, int order, int failure) {           \
    return compare(place, expected, value, order, failure);                                                  \
  }                                                                                                          \
  /* clang's, for both: it looks by itself whether what was there is what was expected */                    \
  uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(volatile uint##bits##_t* place,                  \
                                                            uint##bits##_t expected, uint##bits##_t value,   \
                                                            int order, int failure) {                        \
    static_cast<void>(compare(place, &expected, value, order, failure));                                     \
    return expected;                                                                                         \
  }
ASHLAR_MODEL_ATOMIC(8)
ASHLAR_MODEL_ATOMIC(16)
ASHLAR_MODEL_ATOMIC(32)
ASHLAR_MODEL_ATOMIC(64)
#undef ASHLAR_MODEL_ATOMIC

// libc's, which the compiler does not look into; linked with --wrap.
void* __real_memset(void* start, int value, size_t size);
void* __real_memcpy(void* target, const void* source, size_t size);
void* __real_memmove(void* target, const void* source, size_t size);
[[noreturn]] void __real_abort();

void* __wrap_memset(void* start, int value, size_t size) {
  plain(start, size, true);
  return __real_memset(start, value, size);
}
void* __wrap_memcpy(void* target, const void* source, size_t size) {
  plain(source, size, false);
  plain(target, size, true);
  return __real_memcpy(target, source, size);
}
void* __wrap_memmove(void* target, const void* source, size_t size) {
  plain(source, size, false);
  plain(target, size, true);
  return __real_memmove(target, source, size);
}
// clang's names for the three, from version 15 on.
void* __tsan_memset(void* start, int value, size_t size) { return __wrap_memset(start, value, size); }
void* __tsan_memcpy(void* target, const void* source, size_t size) {
  return __wrap_memcpy(target, source, size);
}
void* __tsan_memmove(void* target, const void* source, size_t size) {
  return __wrap_memmove(target, source, size);
}
// The core stops the program where it finds its heap corrupt: here, the execution has failed.
[[noreturn]] void __wrap_abort() {
  if (g_explorer.active()) g_explorer.fail("the program was stopped");
  __real_abort();
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming, bugprone-reserved-identifier)
