#include "search.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>

namespace ashlar::model {

namespace {
constexpr ThreadMask mask_of(unsigned thread) { return static_cast<ThreadMask>(1u << thread); }
unsigned lowest_thread(ThreadMask mask) { return static_cast<unsigned>(__builtin_ctz(mask)); }
}  // namespace

bool conflict(const Operation& a, const Operation& b) {
  if (a.access == Access::kWait || b.access == Access::kWait) return false;  // both can be made: they commute
  if (a.access == Access::kEverything || b.access == Access::kEverything) return true;
  return a.place == b.place && !(a.access == Access::kRead && b.access == Access::kRead);
}

void Search::begin() {
  depth_ = 0;
  used_places_ = 0;
  last_everything_ = kNone;
  std::fill(std::begin(last_step_), std::end(last_step_), kNone);
  std::fill(std::begin(steps_of_), std::end(steps_of_), 0u);
}

int Search::pick(ThreadMask enabled, const Operation* pending) {
  if (depth_ < nodes_.size()) {
    const Node& node = nodes_[depth_++];
    if (node.enabled != enabled) {
      std::fprintf(
          stderr,
          "model: step %zu differs when repeated: the program under test is not the same in each execution\n",
          depth_ - 1);
      std::abort();
    }
    return static_cast<int>(node.thread);
  }
  Node node{};
  node.enabled = enabled;
  unsigned preferred = 0;
  if (depth_ > 0) {
    const Node& before = nodes_[depth_ - 1];
    preferred = before.thread;
    const ThreadMask asleep = before.sleep | before.done;
    for (unsigned t = 0; t < kMaxThreads; ++t) {
      if ((asleep & mask_of(t)) != 0 && t != before.thread && !conflict(pending[t], before.operation))
        node.sleep |= mask_of(t);
    }
  }
  const ThreadMask awake = enabled & static_cast<ThreadMask>(~node.sleep);
  if (awake == 0) return kNobody;
  node.thread = (awake & mask_of(preferred)) != 0 ? preferred : lowest_thread(awake);
  node.backtrack = mask_of(node.thread);
  node.outcomes = 1;
  nodes_.push_back(node);
  ++depth_;
  return static_cast<int>(node.thread);
}

unsigned Search::choose(unsigned outcomes) {
  Node& node = nodes_[depth_ - 1];
  node.outcomes = outcomes;
  return node.outcome;
}

Search::Place& Search::place_of(uintptr_t address) {
  for (size_t i = 0; i < used_places_; ++i) {
    if (places_[i].address == address) return places_[i];
  }
  if (used_places_ == places_.size()) places_.emplace_back();
  Place& place = places_[used_places_++];
  place.address = address;
  place.writes.clear();
  place.reads.clear();
  place.locks.clear();
  place.unlock = kNone;
  return place;
}

bool Search::precedes(size_t earlier, size_t later) const {
  return nodes_[later].clock.covers(nodes_[earlier].thread, nodes_[earlier].ordinal);
}

// The step comes after `earlier`, with which it conflicts: notes it, and that the order could be the other.
void Search::order(size_t earlier, size_t step) {
  Node& node = nodes_[step];
  if (earlier == kNone || nodes_[earlier].thread == node.thread || precedes(earlier, step)) return;
  if (step >= fresh_) add_alternative(earlier, step);
  node.clock.join(nodes_[earlier].clock);
}

void Search::made(const Operation& operation, size_t cause) {
  const size_t step = depth_ - 1;
  Node& node = nodes_[step];
  node.operation = operation;
  node.ordinal = ++steps_of_[node.thread];
  node.before = Clock{};
  if (last_step_[node.thread] != kNone) node.before = nodes_[last_step_[node.thread]].clock;
  node.before.at[node.thread] = node.ordinal;
  node.clock = node.before;
  last_step_[node.thread] = step;
  if (operation.access == Access::kEverything) {
    std::vector<size_t> earlier;
    for (const size_t last : last_step_) {
      if (last != kNone && last != step) earlier.push_back(last);
    }
    std::sort(earlier.rbegin(), earlier.rend());
    for (const size_t last : earlier)
      order(last, step);
    last_everything_ = step;
    return;
  }
  Place& place = place_of(operation.place);
  switch (operation.access) {
    case Access::kWait:
      if (cause != kNone) node.clock.join(nodes_[cause].clock);
      break;
    case Access::kLock:
      // The unlocking could not have come later: what races is the locking before it.
      if (!place.locks.empty() && nodes_[place.locks.back()].thread != node.thread &&
          !precedes(place.locks.back(), step) && step >= fresh_) {
        add_alternative(place.locks.back(), step);
      }
      if (place.unlock != kNone) node.clock.join(nodes_[place.unlock].clock);
      place.locks.push_back(step);
      break;
    case Access::kUnlock:
      place.unlock = step;
      break;
    case Access::kRead:
      if (!place.writes.empty()) order(place.writes.back(), step);
      place.reads.push_back(step);
      break;
    default:
      for (size_t i = place.reads.size(); i-- > 0;)
        order(place.reads[i], step);
      if (!place.writes.empty()) order(place.writes.back(), step);
      place.reads.clear();
      place.writes.push_back(step);
      break;
  }
  order(last_everything_, step);
}

// The threads with which an execution may begin at `earlier` that has all that does not depend on it, and
// then `later`.
ThreadMask Search::initials(size_t earlier, size_t later) const {
  ThreadMask seen = 0;
  ThreadMask initial = 0;
  std::vector<size_t> before;
  for (size_t k = earlier + 1; k <= later; ++k) {
    const Node& node = nodes_[k];
    if (k != later && precedes(earlier, k)) continue;
    if ((seen & mask_of(node.thread)) == 0) {
      const bool first = std::none_of(before.begin(), before.end(), [&](size_t m) {
        return k == later ? node.before.covers(nodes_[m].thread, nodes_[m].ordinal) ||
                                conflict(nodes_[m].operation, node.operation)
                          : precedes(m, k);
      });
      if (first) initial |= mask_of(node.thread);
    }
    seen |= mask_of(node.thread);
    before.push_back(k);
  }
  return initial;
}

void Search::add_alternative(size_t earlier, size_t later) {
  const ThreadMask initial = initials(earlier, later);
  Node& node = nodes_[earlier];
  if ((initial & node.backtrack) != 0) return;
  const ThreadMask possible = initial & node.enabled;
  node.backtrack |= possible != 0 ? mask_of(lowest_thread(possible)) : node.enabled;
}

bool Search::next() {
  while (!nodes_.empty()) {
    Node& node = nodes_.back();
    fresh_ = nodes_.size() - 1;
    if (node.outcome + 1 < node.outcomes) {
      ++node.outcome;
      return true;
    }
    node.done |= mask_of(node.thread);
    const ThreadMask left =
        node.backtrack & node.enabled & static_cast<ThreadMask>(~(node.done | node.sleep));
    if (left != 0) {
      node.thread = lowest_thread(left);
      node.outcome = 0;
      node.outcomes = 1;
      return true;
    }
    nodes_.pop_back();
  }
  return false;
}

}  // namespace ashlar::model
