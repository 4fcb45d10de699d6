// The slab layer beside a set of the slots that are out (tests/layers/slab/slab_model.h): slots taken and put
// back one by one and by the word, holes purged, kept slabs released; contents checked.
#include "bytes.h"
#include "core_state.h"
#include "os/system.h"
#include "slab_model.h"
#include "target.h"

namespace ashlar::slab {
namespace {

constexpr size_t kMostSteps = 3000;
constexpr size_t kMostBytes = 8 * kMiB;

// All of the space that slabs may come to lie in, so that a choice means the same whatever is open.
size_t choose_place(fuzz::Bytes& bytes) { return bytes.below(2 * kMostBytes / 16) * 16; }

void give_back(SlabModel& model, fuzz::Bytes& bytes) {
  const size_t place = choose_place(bytes);
  const size_t times = bytes.one_in(2) ? 1 : bytes.between(1, 256);
  const bool words = bytes.one_in(4);
  for (size_t i = 0; i < times && model.size() > 0; ++i)
    words ? model.put_word(place) : model.put(place);
}

// Pages of slots that are in use stay, whichever way the others go.
void purge(const SlabModel& model, fuzz::Bytes& bytes) {
  switch (bytes.below(5)) {
    case 0:
      purge_all_holes();
      break;
    case 1:
      purge_candidates(bytes.between(1, 512), static_cast<unsigned>(bytes.between(1, 64)), Yield::kAny);
      break;
    case 2:
      purge_candidates(bytes.between(1, 512), static_cast<unsigned>(bytes.between(1, 64)), Yield::kMost);
      break;
    case 3:
      relieve_holes();
      break;
    default:
      release_kept();
      page::g_pages.purge_all();
  }
  model.check_contents();
}

void step(SlabModel& model, fuzz::Bytes& bytes) {
  const size_t choice = bytes.below(16);
  if (choice < 7 || model.size() == 0) {
    const unsigned index = static_cast<unsigned>(bytes.between(1, kClassCount - 1));
    const unsigned want = static_cast<unsigned>(bytes.between(1, 256));
    if (model.bytes() + size_t{want} * kClasses[index].size <= kMostBytes) model.take(index, want);
  } else if (choice < 14) {
    give_back(model, bytes);
  } else if (choice == 14) {
    purge(model, bytes);
  } else {
    model.compare();
  }
}

void run(fuzz::Bytes& bytes) {
  // Of a process with one thread, which stores plainly, or with more.
  __libc_single_threaded = static_cast<char>(bytes.below(2));
  ASSERT_TRUE(page::g_pages.initialise({.window_bytes = 256 * kMiB, .purge_floor = bytes.below(2) * kMiB}));
  SlabModel model;
  for (size_t i = 0; i < kMostSteps && !bytes.empty(); ++i)
    step(model, bytes);
  model.compare();
  while (model.size() > 0)
    model.put(0);
  release_kept();
  ASSERT_EQ(page::g_pages.counters().live_pages, 0u);
  ASSERT_TRUE(page::g_pages.check_invariants());
}

}  // namespace
}  // namespace ashlar::slab

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return ashlar::fuzz::run_on_fresh_core(data, size, ashlar::slab::run);
}
