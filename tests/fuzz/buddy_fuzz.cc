// The buddy beside the naive model (tests/layers/page/buddy_duel.h): every answer compared, and at the end
// the sums, the blocks of each order and the buddy's own invariants.
#include "buddy_duel.h"
#include "bytes.h"
#include "core_state.h"
#include "target.h"

namespace ashlar::page {
namespace {

constexpr size_t kMostSteps = 2000;

// Alone, side by side, apart; rarely, since the sums of all chunks below cost most, around a group's end.
std::vector<ChunkIndex> chunks_of(size_t choice) {
  if (choice < 5) return {0};
  if (choice < 10) return {0, 1, 2};
  if (choice < 15) return {0, 1, 3, 4, 5, 7};
  return {62, 63, 64, 65};
}

void run(fuzz::Bytes& bytes) {
  const std::vector<ChunkIndex> chunks = chunks_of(bytes.below(16));
  open_window(chunks.back() + 1);
  Duel duel(chunks, bytes);
  for (size_t step = 0; step < kMostSteps && !bytes.empty(); ++step)
    duel.step();
  duel.compare_sums();
}

}  // namespace
}  // namespace ashlar::page

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return ashlar::fuzz::run_on_fresh_core(data, size, ashlar::page::run);
}
