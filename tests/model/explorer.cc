#include "explorer.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>

namespace ashlar::model {

Explorer g_explorer;

namespace {

constexpr size_t kMostSteps = 3000;  // an execution that goes on so long never ends

std::map<uintptr_t, std::string> g_names;

const char* const kKinds[] = {"load", "store", "exchange", "add", "sub", "and", "or", "xor", "compare"};
const char* const kOrders[] = {"relaxed", "consume", "acquire", "release", "acq_rel", "seq_cst"};

std::string name_of(uintptr_t place) {
  const auto found = g_names.find(place);
  if (found != g_names.end()) return found->second;
  char text[24];
  std::snprintf(text, sizeof text, "%#zx", static_cast<size_t>(place));
  return text;
}

}  // namespace

// The explorer's own code must not be taken for the program's, where it is called by a fibre.
class Explorer::Inside {
 public:
  Inside() { g_explorer.inside_ = true; }
  ~Inside() { g_explorer.inside_ = false; }
};

void Explorer::start(unsigned thread, void (*body)()) {
  Thread& state = threads_[thread];
  state.fibre.prepare(body);
  state.running = true;
  state.sleeping = false;
  state.until = Until::kNothing;
  state.wait = Memory::Wait{};
}

// Runs a thread up to the announcement of its next step.
void Explorer::resume(unsigned thread) {
  current_ = static_cast<int>(thread);
  running_ = true;
  inside_ = false;
  threads_[thread].running = threads_[thread].fibre.resume();
  inside_ = true;
  running_ = false;
  current_ = kNobody;
}

bool Explorer::can_go_on(const Thread& thread) {
  if (!thread.running) return false;
  switch (thread.until) {
    case Until::kUnlocked:
      return lock_state(thread.next.place).holder == kNobody;
    case Until::kNewer:
      return memory_.has_newer(thread.wait);
    case Until::kWoken:
      return !thread.sleeping;
    default:
      return true;
  }
}

// PRECONDITION: within a fibre. Returns when the search has picked the thread for this step.
void Explorer::announce(Access access, uintptr_t place, Until until) {
  Thread& state = threads_[current_];
  state.next = Operation{access, place};
  state.until = until;
  if (alone_) {
    if (!can_go_on(state)) fail("the final state cannot be read: it waits for what nobody will do");
    return;  // no choices any more
  }
  state.fibre.suspend();
  inside_ = true;
}

void Explorer::made(Access access, uintptr_t place, size_t cause) {
  if (!alone_) search_.made(Operation{access, place}, cause);
  stop_if_problem();
}

void Explorer::stop_if_problem() {
  if (memory_.problem() != nullptr) fail(memory_.problem());
}

void Explorer::fail(const char* what) {
  inside_ = true;
  if (failure_.empty()) {
    failure_ = what;
    if (!message_.empty()) failure_ += ": " + message_;
  }
  threads_[current_].fibre.suspend();  // for good
}

void Explorer::plain(const void* address, size_t size, bool writes) {
  Thread& state = threads_[current_];
  if (state.fibre.owns_stack(address)) return;
  if (alone_ && !writes) return;
  const Inside inside;
  const uintptr_t at = reinterpret_cast<uintptr_t>(address);
  if (alone_) {
    memory_.write_alone(at, size);
  } else if (writes) {
    memory_.plain_write(current(), at, size);
  } else {
    memory_.plain_read(current(), at, size);
  }
  stop_if_problem();
}

Outcome Explorer::atomic(Atomic operation) {
  const Inside inside;
  const bool writes = operation.kind != Kind::kLoad;
  if (alone_) return memory_.atomic_alone(operation);
  if (fault_ != nullptr) fault_(&operation);
  announce(writes ? Access::kWrite : Access::kRead, operation.place, Until::kNothing);
  const Outcome outcome = memory_.atomic(current(), operation, search_);
  const uint64_t after = outcome.wrote ? operation.operand : outcome.before;
  events_.push_back(
      Event{current(), kKinds[static_cast<int>(operation.kind)], operation.place,
            operation.kind == Kind::kCompare && !outcome.wrote ? operation.failure_order : operation.order,
            outcome.before, after, outcome.age});
  made(outcome.wrote ? Access::kWrite : Access::kRead, operation.place);
  return outcome;
}

void Explorer::fence(int order) {
  const Inside inside;
  if (order == __ATOMIC_SEQ_CST) announce(Access::kEverything, 0, Until::kNothing);
  memory_.fence(current(), order);
  if (order == __ATOMIC_SEQ_CST) {
    events_.push_back(Event{current(), "fence", 0, order, 0, 0, 0});
    made(Access::kEverything, 0);
  }
}

void Explorer::barrier_of_all() {
  const Inside inside;
  announce(Access::kEverything, 0, Until::kNothing);
  memory_.barrier_of_all();
  events_.push_back(Event{current(), "membarrier", 0, __ATOMIC_SEQ_CST, 0, 0, 0});
  made(Access::kEverything, 0);
}

void Explorer::discard(void* start, size_t size) {
  const Inside inside;
  memory_.discard(current(), reinterpret_cast<uintptr_t>(start), size);
  stop_if_problem();
}

void Explorer::claim(const void* block) {
  const Inside inside;
  const uintptr_t at = reinterpret_cast<uintptr_t>(block);
  if (std::find(owned_.begin(), owned_.end(), at) != owned_.end()) fail("a block was handed out twice");
  owned_.push_back(at);
}

void Explorer::give_up(const void* block) {
  const Inside inside;
  const auto found = std::find(owned_.begin(), owned_.end(), reinterpret_cast<uintptr_t>(block));
  if (found == owned_.end()) fail("a block was given up by who does not own it");
  owned_.erase(found);
}

// ---- locks ----

Explorer::LockState& Explorer::lock_state(uintptr_t place) {
  for (LockState& state : locks_) {
    if (state.place == place) return state;
  }
  locks_.push_back(LockState{place, kNobody, 0, Clock{}});
  return locks_.back();
}

bool Explorer::holds(uintptr_t place) const {
  return std::any_of(locks_.begin(), locks_.end(), [&](const LockState& state) {
    return state.place == place && state.holder == current_;
  });
}

void Explorer::lock(uintptr_t place) {
  const Inside inside;
  if (holds(place)) {
    ++lock_state(place).depth;
    return;
  }
  announce(Access::kLock, place, Until::kUnlocked);
  LockState& state = lock_state(place);
  state.holder = current_;
  memory_.acquire(current(), state.released);
  events_.push_back(Event{current(), "lock", place, __ATOMIC_ACQUIRE, 0, 0, 0});
  made(Access::kLock, place);
}

bool Explorer::try_lock(uintptr_t place) {
  const Inside inside;
  if (holds(place)) {
    ++lock_state(place).depth;
    return true;
  }
  announce(Access::kEverything, place, Until::kNothing);
  LockState& state = lock_state(place);
  const bool is_free = state.holder == kNobody;
  if (is_free) {
    state.holder = current_;
    memory_.acquire(current(), state.released);
  }
  events_.push_back(Event{current(), "try_lock", place, __ATOMIC_ACQUIRE, 0, is_free ? 1u : 0u, 0});
  made(Access::kEverything, place);
  return is_free;
}

void Explorer::unlock(uintptr_t place) {
  const Inside inside;
  LockState& held = lock_state(place);
  if (held.holder != current_) fail("a lock is dropped by who does not hold it");
  if (held.depth > 0) {
    --held.depth;
    return;
  }
  announce(Access::kUnlock, place, Until::kNothing);
  LockState& state = lock_state(place);
  state.holder = kNobody;
  memory_.release(current(), &state.released);
  events_.push_back(Event{current(), "unlock", place, __ATOMIC_RELEASE, 0, 0, 0});
  made(Access::kUnlock, place);
}

// ---- waiting ----

void Explorer::wait_for_change() {
  const Inside inside;
  Thread& state = threads_[current_];
  const Memory::Wait wait = memory_.last_read(current());
  // A compare-and-swap that failed may succeed with what it has read: worth a second try, but no third.
  const bool again = wait.place == state.wait.place && wait.seen == state.wait.seen;
  state.wait = wait;
  if (wait.by_compare && !again) return;
  announce(Access::kWait, state.wait.place, Until::kNewer);
  const size_t cause = memory_.step_of_next(state.wait);
  memory_.end_wait(current(), state.wait);
  events_.push_back(Event{current(), "waited for", state.wait.place, __ATOMIC_RELAXED, 0, 0, 0});
  made(Access::kWait, state.wait.place, cause);
}

bool Explorer::futex_wait(uintptr_t word, uint32_t expected) {
  const Inside inside;
  announce(Access::kWrite, word, Until::kNothing);
  uint32_t value = 0;
  std::memcpy(&value, reinterpret_cast<const void*>(word), sizeof value);  // the kernel reads the newest
  events_.push_back(Event{current(), "futex wait", word, __ATOMIC_SEQ_CST, value, expected, 0});
  Thread& state = threads_[current_];
  state.sleeping = value == expected;
  state.futex = word;
  made(Access::kWrite, word);
  if (value != expected) return false;
  announce(Access::kWait, word, Until::kWoken);
  events_.push_back(Event{current(), "woken", word, __ATOMIC_SEQ_CST, 0, 0, 0});
  made(Access::kWait, word, state.woken_by);
  return true;
}

void Explorer::futex_wake(uintptr_t word) {
  const Inside inside;
  announce(Access::kWrite, word, Until::kNothing);
  unsigned waiting[kMaxThreads];
  unsigned count = 0;
  for (unsigned t = 0; t < count_; ++t) {
    if (threads_[t].sleeping && threads_[t].futex == word) waiting[count++] = t;
  }
  if (count > 0) {
    Thread& woken = threads_[waiting[count > 1 ? search_.choose(count) : 0]];
    woken.sleeping = false;
    woken.woken_by = search_.step();
  }
  events_.push_back(Event{current(), "futex wake", word, __ATOMIC_SEQ_CST, 0, count, 0});
  made(Access::kWrite, word);
}

void Explorer::note_message(const char* text, size_t length) {
  const Inside inside;
  message_.append(text, length);
  while (!message_.empty() && message_.back() == '\n')
    message_.pop_back();
}

// ---- executions ----

// False: the execution was left, since all that could follow is known.
bool Explorer::run_once(const Program& program) {
  search_.begin();
  memory_.begin(count_, program.stale_loads);
  locks_.clear();
  owned_.clear();
  events_.clear();
  alone_ = false;
  for (unsigned t = 0; t < count_; ++t)
    start(t, program.threads[t]);
  for (unsigned t = 0; t < count_ && failure_.empty(); ++t)
    resume(t);
  while (failure_.empty()) {
    ThreadMask enabled = 0;
    bool running = false;
    Operation next[kMaxThreads];
    for (unsigned t = 0; t < count_; ++t) {
      running |= threads_[t].running;
      if (can_go_on(threads_[t])) enabled |= static_cast<ThreadMask>(1u << t);
      next[t] = threads_[t].next;
    }
    if (!running) break;
    if (enabled == 0) {
      failure_ = "nobody can go on: a thread waits for what will never be done";
      return true;
    }
    const int picked = search_.pick(enabled, next);
    if (picked == Search::kNobody) return false;
    resume(static_cast<unsigned>(picked));
    if (events_.size() > kMostSteps) failure_ = "the execution does not end";
  }
  if (failure_.empty() && program.finish != nullptr) {
    alone_ = true;
    memory_.join_all(count_);
    start(count_, program.finish);
    resume(count_);
  }
  return true;
}

Result Explorer::run(const Program& program) {
  Result result;
  count_ = static_cast<unsigned>(program.threads.size());
  fault_ = program.fault;
  failure_.clear();
  message_.clear();
  search_ = Search{};
  inside_ = true;
  bool more = true;
  while (more && failure_.empty() && result.executions + result.abandoned < program.most_executions) {
    const bool finished = run_once(program);
    ++(finished ? result.executions : result.abandoned);
    if (search_.steps() > result.longest) result.longest = search_.steps();
    memory_.undo();
    more = search_.next();
  }
  inside_ = false;
  result.failure = failure_;
  result.complete = failure_.empty() && !more;
  if (!failure_.empty()) result.steps = list_of_steps();
  return result;
}

std::string Explorer::list_of_steps() const {
  std::string text;
  for (const Event& event : events_) {
    char line[200];
    std::snprintf(line, sizeof line, "  %*s%u: %s %s %s: %#zx -> %#zx%s\n",
                  static_cast<int>(event.thread * 4), "", event.thread, event.what,
                  name_of(event.place).c_str(), kOrders[event.order], static_cast<size_t>(event.before),
                  static_cast<size_t>(event.after), event.age > 0 ? " (old)" : "");
    text += line;
  }
  return text;
}

// ---- what scenarios call ----

Result explore(const Program& program) { return g_explorer.run(program); }
void name_place(const volatile void* place, const std::string& name) {
  g_names[reinterpret_cast<uintptr_t>(place)] = name;
}
void fail(const char* what) { g_explorer.fail(what); }
void claim(const void* block) { g_explorer.claim(block); }
void give_up(const void* block) { g_explorer.give_up(block); }
bool in_thread() { return g_explorer.active(); }
unsigned current_thread() { return g_explorer.current(); }
void lock(const void* lock) { g_explorer.lock(reinterpret_cast<uintptr_t>(lock)); }
bool try_lock(const void* lock) { return g_explorer.try_lock(reinterpret_cast<uintptr_t>(lock)); }
void unlock(const void* lock) { g_explorer.unlock(reinterpret_cast<uintptr_t>(lock)); }
bool holds(const void* lock) { return g_explorer.holds(reinterpret_cast<uintptr_t>(lock)); }
void wait_for_change() { g_explorer.wait_for_change(); }
void discard(void* start, size_t size) { g_explorer.discard(start, size); }
void barrier_of_all() { g_explorer.barrier_of_all(); }
bool futex_wait(uint32_t* word, uint32_t expected) {
  return g_explorer.futex_wait(reinterpret_cast<uintptr_t>(word), expected);
}
void futex_wake(uint32_t* word) { g_explorer.futex_wake(reinterpret_cast<uintptr_t>(word)); }
void note_message(const char* text, size_t length) { g_explorer.note_message(text, length); }

}  // namespace ashlar::model
