// How much a single call asks of the kernel: system calls, pages touched and resident pages given back in
// each call of a workload, maximum and 99.99th percentile.
//
//   call_work mixed [CALLS [LIVE]]    tail's: malloc and free, 16 B to 64 KiB log-uniform (1000000 20000)
//   call_work fill [MIB]              allocates that much in blocks of 16 to 1024 B, frees all in random
//   order (800) call_work large [CALLS]           malloc and free of 64 KiB to 16 MiB, up to 32 live (10000)
//   call_work resize [CALLS]          the same with calloc and realloc (10000)
//
// The first touch of a block by the program is no part of a call; what calloc clears and realloc copies
// is. Traced (support/call_trace.h), so slow paths take longer than elsewhere: what an allocator decides
// by the clock may differ from an untraced run.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "support/call_trace.h"
#include "support/scratch.h"

namespace {

using namespace ashlar::bench;

constexpr size_t kKib = 1 << 10;
constexpr size_t kMib = 1 << 20;

// One column a kind of work, so that each can be sorted by itself.
class Tally {
 public:
  explicit Tally(size_t capacity)
      : capacity_(capacity),
        system_calls_(mapped_array<uint32_t>(capacity)),
        touched_(mapped_array<uint32_t>(capacity)),
        returned_(mapped_array<uint32_t>(capacity)) {}

  void add(const CallWork& work) {
    if (count_ == capacity_) exit(1);
    system_calls_[count_] = static_cast<uint32_t>(work.system_calls);
    touched_[count_] = static_cast<uint32_t>(work.pages_touched);
    returned_[count_] = static_cast<uint32_t>(work.pages_returned);
    ++count_;
  }

  void print() {
    printf("calls=%zu", count_);
    print_column("syscalls", system_calls_);
    print_column("touched", touched_);
    print_column("returned", returned_);
    printf("\n");
  }

 private:
  void print_column(const char* name, uint32_t* column) {
    size_t sum = 0;
    for (size_t i = 0; i < count_; ++i)
      sum += column[i];
    std::sort(column, column + count_);
    printf(" %s_p99.99=%u %s_max=%u %s_sum=%zu", name, column[(count_ - 1) * 9999 / 10000], name,
           column[count_ - 1], name, sum);
  }

  const size_t capacity_;
  size_t count_ = 0;
  uint32_t* const system_calls_;
  uint32_t* const touched_;
  uint32_t* const returned_;
};

struct Block {
  char* start;
  size_t bytes;
};

void touch(const Block& block) {
  if (block.start == nullptr) {
    perror("malloc");
    exit(1);
  }
  for (size_t at = 0; at < block.bytes; at += 4096)
    static_cast<volatile char*>(block.start)[at] = 1;
}

void measured_malloc(Block& block, size_t bytes, CallMeter& meter, Tally& tally) {
  block.bytes = bytes;
  tally.add(meter.measure([&] { block.start = static_cast<char*>(malloc(bytes)); }));
  touch(block);
}

void measured_free(Block& block, CallMeter& meter, Tally& tally) {
  tally.add(meter.measure([&] { free(block.start); }));
  block.start = nullptr;
}

// A random slot is freed, or filled if it is empty.
void run_mixed(size_t calls, size_t live) {
  constexpr size_t kSmallest = 16;
  constexpr size_t kLargest = 64 * kKib;
  Tally tally(calls);
  Block* const blocks = mapped_array<Block>(2 * live);
  Random random(1);
  for (size_t i = 0; i < 2 * live; i += 2) {
    const size_t bytes = random.log_between(kSmallest, kLargest);
    blocks[i] = {touched_block(bytes), bytes};
  }
  start_counting();
  CallMeter meter;
  for (size_t i = 0; i < calls; ++i) {
    Block& block = blocks[random.below(2 * live)];
    if (block.start != nullptr) {
      measured_free(block, meter, tally);
    } else {
      measured_malloc(block, random.log_between(kSmallest, kLargest), meter, tally);
    }
  }
  tally.print();
}

void run_fill(size_t bytes) {
  constexpr size_t kSmallest = 16;
  constexpr size_t kLargest = 1024;
  // A tenth more than the mean block needs: the sum of so many sizes strays by far less.
  const size_t capacity = bytes / ((kSmallest + kLargest) / 2) * 11 / 10 + 100;
  Tally tally(2 * capacity);
  Block* const blocks = mapped_array<Block>(capacity);
  Random random(1);
  start_counting();
  CallMeter meter;
  size_t count = 0;
  for (size_t live = 0; live < bytes && count < capacity; live += blocks[count++].bytes)
    measured_malloc(blocks[count], random.between(kSmallest, kLargest), meter, tally);
  shuffle(blocks, count, random);
  for (size_t i = 0; i < count; ++i)
    measured_free(blocks[i], meter, tally);
  tally.print();
}

void measured_calloc(Block& block, size_t bytes, CallMeter& meter, Tally& tally) {
  block.bytes = bytes;
  tally.add(meter.measure([&] { block.start = static_cast<char*>(calloc(1, bytes)); }));
  touch(block);
}

void measured_realloc(Block& block, size_t bytes, CallMeter& meter, Tally& tally) {
  block.bytes = bytes;
  tally.add(meter.measure([&] { block.start = static_cast<char*>(realloc(block.start, bytes)); }));
  touch(block);
}

void run_large(size_t calls, bool resizing) {
  constexpr size_t kBlocks = 64;  // half of them live
  Tally tally(calls);
  Block* const blocks = mapped_array<Block>(kBlocks);
  Random random(1);
  start_counting();
  CallMeter meter;
  for (size_t i = 0; i < calls; ++i) {
    Block& block = blocks[random.below(kBlocks)];
    const size_t bytes = random.log_between(64 * kKib, 16 * kMib);
    const bool other = resizing && random.below(2) == 0;
    if (block.start == nullptr) {
      other ? measured_calloc(block, bytes, meter, tally) : measured_malloc(block, bytes, meter, tally);
    } else {
      other ? measured_realloc(block, bytes, meter, tally) : measured_free(block, meter, tally);
    }
  }
  tally.print();
}

}  // namespace

int main(int argc, char** argv) {
  const char* const mode = argc > 1 ? argv[1] : "";
  const auto number = [&](int at, size_t usual) {
    return argc > at ? strtoul(argv[at], nullptr, 10) : usual;
  };
  const bool mixed = strcmp(mode, "mixed") == 0;
  const bool fill = strcmp(mode, "fill") == 0;
  const bool large = strcmp(mode, "large") == 0;
  const bool resize = strcmp(mode, "resize") == 0;
  const size_t first = number(2, mixed ? 1'000'000 : fill ? 800 : 10'000);
  const size_t live = number(3, 20'000);
  if (!(mixed || fill || large || resize) || first == 0 || live == 0) {
    fprintf(stderr, "usage: call_work mixed [CALLS [LIVE]] | fill [MIB] | large [CALLS] | resize [CALLS]\n");
    return 2;
  }
  if (!traced()) return trace_self(argv);
  if (mixed) run_mixed(first, live);
  if (fill) run_fill(first * kMib);
  if (large || resize) run_large(first, resize);
  return 0;
}
