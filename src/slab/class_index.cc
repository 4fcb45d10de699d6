#include "slab/class_index.h"

namespace ashlar::slab {

namespace {

// The rows stand behind one another in both structs: row 96 is hole_candidates.
static_assert(offsetof(ChunkSlabs, hole_candidates) == kHoleIndex * 8);
static_assert(offsetof(SummarySlabs, hole_candidates) == kHoleIndex * 8);

std::atomic<uint64_t>& leaf(unsigned row, ChunkIndex chunk) {
  ChunkSlabs& slabs = slabs_of_chunk(chunk);
  return row == kHoleIndex ? slabs.hole_candidates : slabs.available[row];
}
std::atomic<uint64_t>& in_group(unsigned row, ChunkIndex chunk) {
  SummarySlabs& slabs = slabs_of_group(chunk);
  return row == kHoleIndex ? slabs.hole_candidates : slabs.available[row];
}
std::atomic<uint64_t>& in_super(unsigned row, ChunkIndex chunk) {
  SummarySlabs& slabs = slabs_of_super(chunk);
  return row == kHoleIndex ? slabs.hole_candidates : slabs.available[row];
}

uint64_t group_bit(ChunkIndex chunk) { return bit(chunk % kChunksPerGroup); }
uint64_t super_bit(ChunkIndex chunk) { return bit(chunk / kChunksPerGroup % kGroupsPerSuper); }

// ORDER: set and clear meet in a Dekker pattern (write mine, look at the other's), so the writes and the
// looks below are sequentially consistent, which read-modify-writes are on x86-64 anyway. With the looks at
// acquire a summary can hide a slab for good: tests/model finds it.
void set_bit(std::atomic<uint64_t>& word, uint64_t mask) {
  if ((word.load() & mask) == 0) word.fetch_or(mask);
}

}  // namespace

void set_available(unsigned row, UnitIndex unit) {
  const ChunkIndex chunk = unit / kUnitsPerChunk;
  leaf(row, chunk).fetch_or(bit(unit % kUnitsPerChunk));
  set_bit(in_group(row, chunk), group_bit(chunk));
  set_bit(in_super(row, chunk), super_bit(chunk));
}

bool clear_available(unsigned row, UnitIndex unit) {
  const ChunkIndex chunk = unit / kUnitsPerChunk;
  const uint64_t mask = bit(unit % kUnitsPerChunk);
  const uint64_t before = leaf(row, chunk).fetch_and(~mask);
  if ((before & ~mask) != 0) return (before & mask) != 0;
  if ((in_group(row, chunk).fetch_and(~group_bit(chunk)) & ~group_bit(chunk)) == 0) {
    in_super(row, chunk).fetch_and(~super_bit(chunk));
  }
  // Somebody may have set a bit below while its summary was being cleared: look again, top level too.
  if (leaf(row, chunk).load() != 0) in_group(row, chunk).fetch_or(group_bit(chunk));
  if (in_group(row, chunk).load() != 0) in_super(row, chunk).fetch_or(super_bit(chunk));
  return (before & mask) != 0;
}

// ORDER: relaxed: a slab's bit changes only while it is excluded, and who has excluded it sees what others
// did then; asked from elsewhere the answer is a hint.
bool is_available(unsigned row, UnitIndex unit) {
  return (leaf(row, unit / kUnitsPerChunk).load(std::memory_order_relaxed) & bit(unit % kUnitsPerChunk)) != 0;
}

// ORDER: acquire at each level pairs with the setter's read-modify-writes, lowest level first: who sees a
// summary bit sees what made it. What is found is a hint all the same: the slab word decides.
UnitIndex find_available(unsigned row, UnitIndex from) {
  const ChunkIndex chunks = page::g_window_owner.opened_chunks();
  for (ChunkIndex chunk = from / kUnitsPerChunk; chunk < chunks;) {
    // Skip what the summaries say is empty; each step either finds a chunk or moves on.
    const unsigned group_in_super = chunk / kChunksPerGroup % kGroupsPerSuper;
    const uint64_t groups = in_super(row, chunk).load(std::memory_order_acquire) >> group_in_super;
    const ChunkIndex super_start = chunk / page::Window::kChunksPerSuper * page::Window::kChunksPerSuper;
    if (groups == 0) {
      chunk = super_start + page::Window::kChunksPerSuper;
      continue;
    }
    const unsigned skipped = lowest_bit(groups);
    if (skipped > 0) chunk = super_start + (group_in_super + skipped) * kChunksPerGroup;
    const ChunkIndex group_start = chunk / kChunksPerGroup * kChunksPerGroup;
    const uint64_t children =
        in_group(row, chunk).load(std::memory_order_acquire) >> (chunk % kChunksPerGroup);
    if (children == 0) {
      chunk = group_start + kChunksPerGroup;
      continue;
    }
    chunk += lowest_bit(children);
    uint64_t units = leaf(row, chunk).load(std::memory_order_acquire);
    if (chunk == from / kUnitsPerChunk) units &= ~(bit(from % kUnitsPerChunk) - 1);
    if (units != 0) return chunk * kUnitsPerChunk + lowest_bit(units);
    ++chunk;
  }
  return kNoUnit;
}

}  // namespace ashlar::slab
