#include "recorder.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "ashlar/ashlar.h"
#include "clock.h"

// Only there when Ashlar serves.
#pragma weak ashlar_stats

namespace ashlar::soak {
namespace {

char file_buffer[64 << 10];
struct ashlar_stats statistics;

// Calls `use(text)` for what a file holds, piece by piece, each with a null at its end.
template <class Use>
void read_file(const char* path, Use use) {
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  for (ssize_t got; (got = read(file, file_buffer, sizeof file_buffer - 1)) > 0;) {
    file_buffer[got] = '\0';
    use(file_buffer);
  }
  close(file);
}

// Bytes, counted page by page: what /proc/self/statm says may be off by some pages a processor.
struct Resident {
  size_t all;
  size_t anonymous;  // without program text, which comes and goes with the machine's page cache
};

Resident resident_bytes() {
  const auto bytes = [](const char* text, const char* name) {
    const char* const line = strstr(text, name);
    return line == nullptr ? size_t{0} : strtoul(line + strlen(name), nullptr, 10) << 10;
  };
  Resident resident = {0, 0};
  read_file("/proc/self/smaps_rollup", [&](const char* text) {
    resident = {bytes(text, "\nRss:"), bytes(text, "\nAnonymous:")};
  });
  return resident;
}

size_t mappings() {
  size_t lines = 0;
  read_file("/proc/self/maps", [&](const char* text) {
    lines += static_cast<size_t>(std::count(text, text + strlen(text), '\n'));
  });
  return lines;
}

class Line {
 public:
  void add(const char* format, ...) __attribute__((format(printf, 2, 3))) {
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(text_ + used_, sizeof text_ - used_, format, arguments);
    va_end(arguments);
    used_ = std::min(used_ + static_cast<size_t>(std::max(length, 0)), sizeof text_ - 1);
  }
  void write_to(int file) {
    text_[used_++] = '\n';
    if (::write(file, text_, used_) == static_cast<ssize_t>(used_)) return;
    perror("soak: writing the recording");
    exit(1);
  }

 private:
  char text_[2048];
  size_t used_ = 0;
};

// One column after the other, each by its name.
template <class Column>
void counts(const BlockSet* sets, Column column) {
  const auto total = [&](auto member) {
    size_t sum = 0;
    for (size_t i = 0; i < kSets; ++i)
      sum += (sets[i].counts().*member).load(std::memory_order_relaxed);
    return sum;
  };
  column("live_bytes", total(&Counts::live_bytes));
  column("live_blocks", total(&Counts::live_blocks));
  column("allocations", total(&Counts::allocations));
  column("allocated_bytes", total(&Counts::allocated_bytes));
  column("frees", total(&Counts::frees));
  column("resizes", total(&Counts::resizes));
  column("checks", total(&Counts::checks));
}

template <class Column>
void process(Column column) {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto milliseconds = [](const timeval& time) { return time.tv_sec * 1000 + time.tv_usec / 1000; };
  const Resident resident = resident_bytes();
  column("rss", resident.all);
  column("anonymous", resident.anonymous);
  column("mappings", mappings());
  column("minor_faults", static_cast<size_t>(usage.ru_minflt));
  column("voluntary_switches", static_cast<size_t>(usage.ru_nvcsw));
  column("user_ms", static_cast<size_t>(milliseconds(usage.ru_utime)));
  column("system_ms", static_cast<size_t>(milliseconds(usage.ru_stime)));
}

template <class Column>
void heap(Column column) {
  struct ashlar_stats& s = statistics;
  column("resident_live", s.resident_live);
  column("resident_holes", s.resident_holes);
  column("resident_bins", s.resident_bins);
  column("resident_dirty", s.resident_dirty);
  column("resident_metadata", s.resident_metadata);
  column("resident_foreign", s.resident_foreign);
  column("window_opened", s.window_opened);
  column("heap_live", s.live_bytes);
  column("direct_bytes", s.direct_bytes);
  column("dirty_bytes", s.dirty_bytes);
  column("dirty_budget", s.dirty_budget);
  column("purged_bytes", s.purged_bytes);
  column("purged_again", s.purged_again);
  column("hole_purged_bytes", s.hole_purged_bytes);
  column("purge_calls", s.purge_calls);
  column("purge_failures", s.purge_failures);
  column("thread_caches", s.thread_caches);
}

}  // namespace

bool Recorder::open(const char* path, const BlockSet* sets) {
  file_ = ::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file_ < 0) {
    fprintf(stderr, "soak: %s: %s\n", path, strerror(errno));
    return false;
  }
  began_ = now();
  Line line;
  const auto name = [&](const char* column, size_t) { line.add(",%s", column); };
  line.add("seconds,cycle,phase,share,threads,threads_started,forks,failed_children");
  counts(sets, name);
  process(name);
  if (ashlar_stats != nullptr) heap(name);
  line.write_to(file_);
  return true;
}

void Recorder::write(const Moment& moment, const BlockSet* sets, const Crew& crew) {
  Line line;
  const auto value = [&](const char*, size_t number) { line.add(",%zu", number); };
  line.add("%.3f,%u,%s,%.3f,%u,%zu,%zu,%zu", now() - began_, moment.cycle, moment.phase, moment.share,
           moment.threads, crew.threads_started(), crew.forks(), crew.failed_children());
  counts(sets, value);
  process(value);
  if (ashlar_stats != nullptr) {
    statistics.struct_size = sizeof statistics;
    if (ashlar_stats(&statistics) != 0) {
      fprintf(stderr, "soak: ashlar_stats knows another struct: the library is not of this build\n");
      exit(1);
    }
    heap(value);
  }
  line.write_to(file_);
}

}  // namespace ashlar::soak
