// Batches: n blocks allocated, then all freed, in the reverse order, in the same order or at
// random. Shows when a thread cache overflows and what it costs then. An item is one block.
#include <cstdint>
#include <cstdlib>

#include "micro/harness.h"
#include "micro/mapped_array.h"
#include "micro/random.h"

namespace ashlar::bench {

namespace {

enum class Order { kLifo, kFifo, kRandom };

constexpr size_t kFixedSize = 64;

const char* name_of(Order order) {
  switch (order) {
    case Order::kLifo:
      return "lifo";
    case Order::kFifo:
      return "fifo";
    case Order::kRandom:
      return "random";
  }
  return "?";
}

void fill_order(MappedArray<uint32_t>& indices, Order order) {
  Random random(2);
  if (order == Order::kRandom) return fill_with_permutation(indices, random);
  for (size_t i = 0; i < indices.size(); ++i) {
    indices[i] = static_cast<uint32_t>(order == Order::kFifo ? i : indices.size() - 1 - i);
  }
}

// All orders read an index array, so that they differ in nothing but the order.
template <class SizeOf>
void run_batches(benchmark::State& state, size_t n, Order order, SizeOf size_of) {
  MappedArray<void*> blocks(n);
  MappedArray<uint32_t> indices(n);
  fill_order(indices, order);
  PeakRss peak(state);
  for (auto _ : state) {
    for (size_t i = 0; i < n; ++i)
      blocks[i] = write_first_word(escape(malloc(size_of(i))), i);
    for (const uint32_t i : indices)
      free(blocks[i]);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(n));
  peak.report();
}

void batches_of_one_size(benchmark::State& state, size_t n, Order order) {
  run_batches(state, n, order, [](size_t) { return kFixedSize; });
}

void batches_of_mixed_sizes(benchmark::State& state, size_t n, Order order) {
  MappedArray<uint16_t> sizes(n);
  Random random(3);
  fill_with_sizes(sizes, 16, 1024, random);
  run_batches(state, n, order, [&sizes](size_t i) -> size_t { return sizes[i]; });
}

}  // namespace

void add_batches() {
  for (const size_t n : {10, 100, 1000, 10000, 100000}) {
    for (const Order order : {Order::kLifo, Order::kFifo, Order::kRandom}) {
      const std::string tail = std::to_string(n) + "/" + name_of(order);
      add("batch/64/" + tail, [=](benchmark::State& state) { batches_of_one_size(state, n, order); });
      add("batch/mixed/" + tail, [=](benchmark::State& state) { batches_of_mixed_sizes(state, n, order); });
    }
  }
}

}  // namespace ashlar::bench
