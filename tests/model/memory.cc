#include "memory.h"

#include <cstdio>
#include <cstring>

namespace ashlar::model {

namespace {

bool acquires(int order) {
  return order == __ATOMIC_ACQUIRE || order == __ATOMIC_CONSUME || order == __ATOMIC_ACQ_REL ||
         order == __ATOMIC_SEQ_CST;
}
bool releases(int order) {
  return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

uint64_t content(uintptr_t place, unsigned size) {
  uint64_t value = 0;
  std::memcpy(&value, reinterpret_cast<const void*>(place), size);
  return value;
}

uint64_t cut(uint64_t value, unsigned size) {
  return size == 8 ? value : value & ((uint64_t{1} << size * 8) - 1);
}

uint64_t combined(const Atomic& operation, uint64_t before) {
  switch (operation.kind) {
    case Kind::kAdd:
      return before + operation.operand;
    case Kind::kSub:
      return before - operation.operand;
    case Kind::kAnd:
      return before & operation.operand;
    case Kind::kOr:
      return before | operation.operand;
    case Kind::kXor:
      return before ^ operation.operand;
    default:
      return operation.operand;
  }
}

}  // namespace

void Memory::Location::reset() {
  stores.clear();
  for (std::vector<Seen>& list : seen)
    list.clear();
  size = 0;
  reload = false;
}

void Memory::begin(unsigned threads, unsigned stale_loads) {
  threads_ = threads;
  stale_loads_ = stale_loads;
  for (unsigned t = 0; t < kMaxThreads; ++t) {
    known_[t] = visible_[t] = on_acquire_fence_[t] = by_release_fence_[t] = Clock{};
    known_[t].at[t] = visible_[t].at[t] = 1;
    fence_time_[t] = 0;
    stale_used_[t] = 0;
    last_read_[t] = Wait{};
  }
  fenced_ = Clock{};
  time_ = 0;
  locations_.clear();
  granules_.clear();
  discarded_.clear();
  problem_[0] = 0;
}

void Memory::restore(const Saved& saved) const {
  if (saved.page == kNoPages) {
    std::memcpy(reinterpret_cast<void*>(saved.address), &saved.content, sizeof saved.content);
  } else {
    const std::vector<unsigned char>& bytes = saved_pages_[saved.page];
    std::memcpy(reinterpret_cast<void*>(saved.address), bytes.data(), bytes.size());
  }
}

// The latest first: a page may have been purged between two writes to it.
void Memory::undo() {
  for (size_t i = saved_.size(); i-- > 0;)
    restore(saved_[i]);
  saved_.clear();
  saved_pages_.clear();
}

// ---- plain accesses ----

Memory::Granule& Memory::granule(uintptr_t address) {
  Granule& found = granules_.at(address >> 3);
  found.start = address & ~uintptr_t{7};
  return found;
}

void Memory::save(Granule& granule) {
  if (granule.saved) return;
  granule.saved = true;
  saved_.push_back(Saved{granule.start, content(granule.start, 8), kNoPages});
}

void Memory::note(Mark& mark, unsigned thread, uint8_t bytes) {
  const uint32_t epoch = known_[thread].at[thread];
  mark.bytes = mark.epoch == epoch ? mark.bytes | bytes : bytes;
  mark.epoch = epoch;
}

bool Memory::races(const Mark (&marks)[kMaxThreads], unsigned thread, uint8_t bytes) const {
  for (unsigned t = 0; t < kMaxThreads; ++t) {
    if (t != thread && (marks[t].bytes & bytes) != 0 && !known_[thread].covers(t, marks[t].epoch))
      return true;
  }
  return false;
}

void Memory::report(const char* what, unsigned thread, uintptr_t address) {
  if (problem_[0] != 0) return;
  std::snprintf(problem_, sizeof problem_, "data race: %s by thread %u at %#zx", what, thread,
                static_cast<size_t>(address));
}

void Memory::check_discarded(unsigned thread, uintptr_t address, size_t size) {
  for (const Discarded& range : discarded_) {
    if (range.thread != thread && address < range.end && address + size > range.start &&
        !known_[thread].covers(range.thread, range.epoch)) {
      report("access to pages that another thread is purging,", thread, address);
    }
  }
}

namespace {
template <typename Visit>
void for_each_granule(uintptr_t address, size_t size, Visit visit) {
  for (uintptr_t at = address; at < address + size;) {
    const uintptr_t end = (at & ~uintptr_t{7}) + 8;
    const unsigned from = at & 7;
    const unsigned count = static_cast<unsigned>((end < address + size ? end : address + size) - at);
    visit(at, static_cast<uint8_t>(((1u << count) - 1) << from));
    at = end;
  }
}
}  // namespace

void Memory::plain_read(unsigned thread, uintptr_t address, size_t size) {
  for_each_granule(address, size, [&](uintptr_t at, uint8_t bytes) {
    Granule& cell = granule(at);
    if (races(cell.write, thread, bytes)) report("read of what another thread writes,", thread, at);
    if (races(cell.atomic_write, thread, bytes)) report("plain read of an atomic object", thread, at);
    note(cell.read[thread], thread, bytes);
  });
  if (!discarded_.empty()) check_discarded(thread, address, size);
}

void Memory::plain_write(unsigned thread, uintptr_t address, size_t size) {
  for_each_granule(address, size, [&](uintptr_t at, uint8_t bytes) {
    Granule& cell = granule(at);
    save(cell);
    if (races(cell.write, thread, bytes)) report("write of what another thread writes,", thread, at);
    if (races(cell.read, thread, bytes)) report("write of what another thread reads,", thread, at);
    if (races(cell.atomic_write, thread, bytes) || races(cell.atomic_read, thread, bytes))
      report("plain write of an atomic object", thread, at);
    note(cell.write[thread], thread, bytes);
    if (cell.holds_atomics) {
      for (uintptr_t place = cell.start; place < cell.start + 8; ++place) {
        Location* const atomic = locations_.look_up(place);
        if (atomic != nullptr) atomic->reload = true;
      }
    }
  });
  if (!discarded_.empty()) check_discarded(thread, address, size);
}

void Memory::discard(unsigned thread, uintptr_t address, size_t size) {
  for (size_t i = 0; i < granules_.size(); ++i) {
    const Granule& cell = granules_.by_number(i);
    if (cell.start < address || cell.start >= address + size) continue;
    if (races(cell.write, thread, 0xff) || races(cell.read, thread, 0xff) ||
        races(cell.atomic_write, thread, 0xff) || races(cell.atomic_read, thread, 0xff))
      report("purge of a page that another thread uses,", thread, cell.start);
  }
  discarded_.push_back(Discarded{address, address + size, thread, known_[thread].at[thread]});
  const unsigned char* const bytes = reinterpret_cast<const unsigned char*>(address);
  saved_.push_back(Saved{address, 0, saved_pages_.size()});
  saved_pages_.emplace_back(bytes, bytes + size);
  std::memset(reinterpret_cast<void*>(address), 0, size);
}

// ---- atomic operations ----

void Memory::check_atomic(unsigned thread, uintptr_t address, unsigned size, bool writes) {
  Granule& cell = granule(address);
  const uint8_t bytes = static_cast<uint8_t>(((1u << size) - 1) << (address & 7));
  cell.holds_atomics = true;
  if (races(cell.write, thread, bytes))
    report("atomic access to what another thread writes plainly,", thread, address);
  if (writes && races(cell.read, thread, bytes))
    report("atomic write of what another thread reads plainly,", thread, address);
  note(writes ? cell.atomic_write[thread] : cell.atomic_read[thread], thread, bytes);
  if (writes) save(cell);
  if (!discarded_.empty()) check_discarded(thread, address, size);
}

Memory::Location& Memory::location(uintptr_t place, unsigned size) {
  Location& found = locations_.at(place);
  if (found.stores.empty() || found.reload) {
    found.reset();
    found.size = static_cast<uint8_t>(size);
    found.stores.push_back(Store{content(place, size), Clock{}, false, 0, SIZE_MAX});
  }
  return found;
}

size_t Memory::oldest_visible(unsigned thread, const Location& location, bool sequential) const {
  Clock seen = visible_[thread];
  seen.join(known_[thread]);
  if (sequential) seen.join(fenced_);
  size_t oldest = 0;
  for (unsigned t = 0; t < kMaxThreads; ++t) {
    for (size_t i = location.seen[t].size(); i-- > 0;) {
      const Seen& entry = location.seen[t][i];
      if (!seen.covers(t, entry.epoch)) continue;
      if (entry.store > oldest) oldest = entry.store;
      break;
    }
  }
  for (size_t i = location.stores.size(); i-- > oldest + 1;) {
    const Store& store = location.stores[i];
    if (store.sequential && (sequential || store.time <= fence_time_[thread])) return i;
  }
  return oldest;
}

void Memory::tick(unsigned thread) { ++known_[thread].at[thread]; }

void Memory::acquire(unsigned thread, const Clock& from) {
  known_[thread].join(from);
  tick(thread);
}

void Memory::release(unsigned thread, Clock* to) {
  *to = known_[thread];
  tick(thread);
}

void Memory::join_all(unsigned thread) {
  for (unsigned t = 0; t < kMaxThreads; ++t)
    known_[thread].join(known_[t]);
}

void Memory::read(unsigned thread, Location& location, uintptr_t place, size_t store, int order) {
  const Store& from = location.stores[store];
  location.seen[thread].push_back(Seen{known_[thread].at[thread], store});
  (acquires(order) ? known_[thread] : on_acquire_fence_[thread]).join(from.release);
  last_read_[thread] = Wait{place, store, false};
}

void Memory::write(unsigned thread, Location& location, const Atomic& operation, uint64_t value, int order,
                   const Clock* continued, size_t step) {
  Store store{cut(value, operation.size), by_release_fence_[thread], order == __ATOMIC_SEQ_CST, ++time_,
              step};
  if (releases(order)) store.release.join(known_[thread]);
  if (continued != nullptr) store.release.join(*continued);
  location.seen[thread].push_back(Seen{known_[thread].at[thread], location.stores.size()});
  location.stores.push_back(store);
  std::memcpy(reinterpret_cast<void*>(operation.place), &store.value, operation.size);
}

Outcome Memory::atomic(unsigned thread, const Atomic& operation, Search& search) {
  const bool writes = operation.kind != Kind::kLoad;
  Location& place = location(operation.place, operation.size);
  const size_t newest = place.stores.size() - 1;
  size_t taken = newest;
  if (operation.kind == Kind::kLoad || operation.kind == Kind::kCompare) {
    const int order = operation.kind == Kind::kLoad ? operation.order : operation.failure_order;
    size_t oldest = oldest_visible(thread, place, order == __ATOMIC_SEQ_CST);
    if (stale_used_[thread] >= stale_loads_) oldest = newest;
    // Of older values, a compare-and-swap may read those alone with which it fails.
    std::vector<size_t> choices{newest};
    for (size_t i = newest; i-- > oldest;) {
      if (operation.kind == Kind::kLoad || place.stores[i].value != operation.expected) choices.push_back(i);
    }
    if (choices.size() > 1) taken = choices[search.choose(static_cast<unsigned>(choices.size()))];
    if (taken != newest) ++stale_used_[thread];
  }
  const uint64_t before = place.stores[taken].value;
  const unsigned age = static_cast<unsigned>(newest - taken);
  const bool fails = operation.kind == Kind::kCompare && (taken != newest || before != operation.expected);
  check_atomic(thread, operation.place, operation.size, writes && !fails);
  if (!writes || fails) {
    read(thread, place, operation.place, taken, writes ? operation.failure_order : operation.order);
    last_read_[thread].by_compare = writes;
    tick(thread);
    return Outcome{before, false, age};
  }
  Clock continued;
  const bool reads = operation.kind != Kind::kStore;
  if (reads) {
    continued = place.stores[newest].release;
    read(thread, place, operation.place, newest, operation.order);
  }
  write(thread, place, operation, combined(operation, before), operation.order, reads ? &continued : nullptr,
        search.step());
  tick(thread);
  return Outcome{before, true, age};
}

void Memory::write_alone(uintptr_t address, size_t size) {
  for_each_granule(address, size, [&](uintptr_t at, uint8_t) { save(granule(at)); });
}

Outcome Memory::atomic_alone(const Atomic& operation) {
  const uint64_t before = content(operation.place, operation.size);
  const bool writes =
      operation.kind != Kind::kLoad && (operation.kind != Kind::kCompare || before == operation.expected);
  if (writes) {
    save(granule(operation.place));
    const uint64_t value = cut(combined(operation, before), operation.size);
    std::memcpy(reinterpret_cast<void*>(operation.place), &value, operation.size);
  }
  return Outcome{before, writes, 0};
}

void Memory::fence(unsigned thread, int order) {
  if (acquires(order)) known_[thread].join(on_acquire_fence_[thread]);
  if (order == __ATOMIC_SEQ_CST) {
    fenced_.join(known_[thread]);
    fenced_.join(visible_[thread]);
    visible_[thread] = fenced_;
    fence_time_[thread] = time_;
  }
  if (releases(order)) by_release_fence_[thread] = known_[thread];
  tick(thread);
}

void Memory::barrier_of_all() {
  for (int pass = 0; pass < 2; ++pass) {
    for (unsigned t = 0; t < threads_; ++t)
      fence(t, __ATOMIC_SEQ_CST);
  }
}

bool Memory::has_newer(const Wait& wait) {
  const Location* const place = locations_.look_up(wait.place);
  return place != nullptr && place->stores.size() > wait.seen + 1;
}

size_t Memory::step_of_next(const Wait& wait) {
  return locations_.look_up(wait.place)->stores[wait.seen + 1].step;
}

void Memory::end_wait(unsigned thread, const Wait& wait) {
  locations_.look_up(wait.place)->seen[thread].push_back(Seen{known_[thread].at[thread], wait.seen + 1});
}

}  // namespace ashlar::model
