// Rounds, shuffling, warming, progress: see rounds.h.
#include "race/rounds.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <random>
#include <stdexcept>

#include "support/memory.h"

namespace ashlar::bench {

namespace {

// Progress on standard error: one line that is rewritten on a terminal, otherwise a line a round.
class Progress {
 public:
  Progress(const Options& options, size_t rows)
      : quiet_(options.quiet), terminal_(isatty(STDERR_FILENO) != 0), rounds_(options.rounds), rows_(rows) {}
  ~Progress() {
    if (!quiet_ && terminal_) fmt::print(stderr, "\r\033[K");
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(int round, size_t row, const std::string& name) {
    if (quiet_ || (!terminal_ && row > 0)) return;
    if (terminal_) {
      fmt::print(stderr, "\r\033[Kround {}/{}, row {}/{}: {}", round + 1, rounds_, row + 1, rows_, name);
      fflush(stderr);
    } else {
      fmt::print(stderr, "round {}/{} of {} rows\n", round + 1, rounds_, rows_);
    }
  }

  void complain(const std::string& text) {
    fmt::print(stderr, "{}race: {}\n", terminal_ ? "\r\033[K" : "", text);
  }

 private:
  bool quiet_;
  bool terminal_;
  int rounds_;
  size_t rows_;
};

// In a child: memory that this process had would count in the peak of every program it starts.
void warm_in_child(size_t mib) {
  if (mib == 0) return;
  const pid_t pid = fork();
  if (pid == 0) {
    warm_memory(mib);
    _exit(0);
  }
  if (pid > 0) waitpid(pid, nullptr, 0);
}

RaceResult empty_result(const Options& options, const std::vector<Allocator>& allocators,
                        const std::vector<std::string>& rows) {
  RaceResult result{.allocators = allocators,
                    .rows = {},
                    .command = options.command,
                    .rounds = options.rounds,
                    .seed = options.seed};
  for (const std::string& name : rows) {
    result.rows.push_back({.name = name, .by_allocator = std::vector<Series>(allocators.size())});
  }
  return result;
}

}  // namespace

RaceResult run_rounds(const Options& options, const std::vector<Allocator>& allocators,
                      const std::vector<std::string>& rows, const Measure& measure) {
  RaceResult result = empty_result(options, allocators, rows);
  Progress progress(options, rows.size());
  std::mt19937_64 random(options.seed);
  std::vector<size_t> order(allocators.size());
  std::iota(order.begin(), order.end(), size_t{0});
  for (int round = 0; round < options.rounds; ++round) {
    warm_in_child(options.warm_mib);
    for (size_t row = 0; row < rows.size(); ++row) {
      progress.show(round, row, rows[row]);
      std::shuffle(order.begin(), order.end(), random);
      for (const size_t allocator : order) {
        Series& series = result.rows[row].by_allocator[allocator];
        if (!series.failure.empty()) continue;
        try {
          for (const auto& [metric, value] : measure(row, allocator))
            series.samples[metric].push_back(value);
        } catch (const std::runtime_error& error) {
          series.failure = error.what();
          progress.complain(
              fmt::format("{} under {}: {}", rows[row], allocators[allocator].name, error.what()));
        }
      }
    }
  }
  return result;
}

}  // namespace ashlar::bench
