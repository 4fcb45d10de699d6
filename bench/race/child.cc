// Starting, sampling and reaping one child: see child.h.
#include "race/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "race/process_memory.h"
#include "support/memory.h"

namespace ashlar::bench {

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kLastWords = 2000;
// After that long the dynamic loader is done with any program, on any machine.
constexpr std::chrono::milliseconds kLoaded{500};

class Descriptor {
 public:
  explicit Descriptor(int fd, const char* what) : fd_(fd) {
    if (fd_ < 0) throw std::runtime_error(fmt::format("{}: {}", what, strerror(errno)));
  }
  ~Descriptor() { close(fd_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

// Everything that the child needs after fork, prepared before it: it only makes system calls.
struct Prepared {
  std::vector<char*> arguments;
  std::vector<char*> environment;
  const char* directory;
  int input;
  int output;
  int errors;
  int report;  // errno of a failed start goes here; exec closes it
};

std::vector<char*> pointers_to(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const std::string& string : strings)
    pointers.push_back(const_cast<char*>(string.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

std::string name_of_variable(std::string_view assignment) {
  return std::string(assignment.substr(0, assignment.find('=') + 1));
}

std::vector<std::string> merged_environment(const std::vector<std::string>& changes) {
  std::vector<std::string> merged = changes;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string name = name_of_variable(*entry);
    const bool replaced = std::any_of(changes.begin(), changes.end(),
                                      [&](const std::string& change) { return change.starts_with(name); });
    if (!replaced) merged.emplace_back(*entry);
  }
  return merged;
}

[[noreturn]] void become(const Prepared& prepared) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const bool ready = (*prepared.directory == '\0' || chdir(prepared.directory) == 0) &&
                     dup2(prepared.input, 0) >= 0 && dup2(prepared.output, 1) >= 0 &&
                     dup2(prepared.errors, 2) >= 0;
  if (ready) execvpe(prepared.arguments[0], prepared.arguments.data(), prepared.environment.data());
  const int error = errno;
  [[maybe_unused]] const ssize_t written = write(prepared.report, &error, sizeof error);
  _exit(127);
}

// fork, not posix_spawn: a child that borrows its parent's address space inherits the parent's peak
// of RSS in ru_maxrss.
pid_t start(const ChildSpec& spec, int input, int output, int errors) {
  const std::vector<std::string> environment = merged_environment(spec.environment);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error(fmt::format("pipe: {}", strerror(errno)));
  const Descriptor reader(ends[0], "pipe");
  pid_t pid;
  {
    const Descriptor writer(ends[1], "pipe");
    const Prepared prepared{.arguments = pointers_to(spec.command),
                            .environment = pointers_to(environment),
                            .directory = spec.directory.c_str(),
                            .input = input,
                            .output = output,
                            .errors = errors,
                            .report = writer.get()};
    pid = fork();
    if (pid == 0) become(prepared);
    if (pid < 0) throw std::runtime_error(fmt::format("fork: {}", strerror(errno)));
  }
  int error = 0;
  if (read(reader.get(), &error, sizeof error) == sizeof error) {
    waitpid(pid, nullptr, 0);
    throw std::runtime_error(fmt::format("cannot start {}: {}", spec.command.front(), strerror(error)));
  }
  return pid;
}

struct Samples {
  size_t highest_kib = 0;
  double sum_kib = 0;
  int count = 0;

  void take(const ChildSpec& spec, pid_t pid) {
    const size_t kib = spec.whole_tree ? resident_kib_of_tree(pid) : resident_kib_of(pid);
    highest_kib = std::max(highest_kib, kib);
    sum_kib += static_cast<double>(kib);
    ++count;
  }
};

// Looks until the library is there, or until it should have been.
void look_for_library(const ChildSpec& spec, pid_t pid, Clock::duration since_start, ChildRun& run) {
  if (spec.look_for_library.empty() || run.library_mapped) return;
  if (maps_file(pid, spec.look_for_library)) {
    run.library_mapped = true;
  } else if (since_start > kLoaded && resident_kib_of(pid) > 0) {
    run.library_mapped = false;
  }
}

// Waits for the end of the child, sampling meanwhile. At the time-out, kills it and its descendants.
Samples watch(const ChildSpec& spec, pid_t pid, Clock::time_point started, ChildRun& run) {
  const Descriptor process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)), "pidfd_open");
  Samples samples;
  pollfd ended{.fd = process.get(), .events = POLLIN, .revents = 0};
  while (poll(&ended, 1, static_cast<int>(spec.sample_interval.count())) <= 0) {
    samples.take(spec, pid);
    look_for_library(spec, pid, Clock::now() - started, run);
    if (spec.timeout.count() > 0 && Clock::now() - started > spec.timeout) {
      run.timed_out = true;
      kill(-pid, SIGKILL);
      poll(&ended, 1, -1);
      break;
    }
  }
  return samples;
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// What ru_maxrss of a child shows that does nothing: the copy of this process that fork made counts
// until exec, so that no smaller peak can be seen.
size_t lowest_visible_peak_kib() {
  constexpr size_t kWrittenBeforeExecKib = 64;
  const pid_t pid = fork();
  if (pid == 0) _exit(0);
  rusage usage{};
  if (pid < 0 || wait4(pid, nullptr, 0, &usage) < 0) return resident_kib();
  return static_cast<size_t>(usage.ru_maxrss) + kWrittenBeforeExecKib;
}

// The kernel's own peak, ru_maxrss, misses nothing between samples, but knows one process only, and
// has a floor: below it, the samples are all we have.
void measure_memory(const ChildSpec& spec, const Samples& samples, size_t floor_kib, const rusage& usage,
                    ChildRun& run) {
  const auto kernel_kib = static_cast<size_t>(usage.ru_maxrss);
  const bool kernel_knows = kernel_kib > floor_kib || samples.count == 0;
  const size_t sampled = samples.highest_kib;
  const size_t peak = !kernel_knows ? sampled : spec.whole_tree ? std::max(sampled, kernel_kib) : kernel_kib;
  run.peak_rss_mib = static_cast<double>(peak) / 1024;
  run.mean_rss_mib = samples.count > 0 ? samples.sum_kib / samples.count / 1024 : run.peak_rss_mib;
}

std::string contents_of(int fd, size_t last_bytes) {
  const off_t end = lseek(fd, 0, SEEK_END);
  if (end <= 0) return "";
  const size_t size = std::min(static_cast<size_t>(end), last_bytes);
  std::string contents(size, '\0');
  const ssize_t got = pread(fd, contents.data(), size, end - static_cast<off_t>(size));
  contents.resize(static_cast<size_t>(std::max<ssize_t>(got, 0)));
  return contents;
}

}  // namespace

std::string ChildRun::failure() const {
  std::string text = timed_out     ? "timed out"
                     : signal != 0 ? fmt::format("killed by signal {} ({})", signal, strsignal(signal))
                                   : fmt::format("exit code {}", exit_code);
  if (!errors.empty()) text += ": " + errors;
  while (text.ends_with('\n'))
    text.pop_back();
  return text;
}

ChildRun run_child(const ChildSpec& spec) {
  const char* const input_path = spec.input.empty() ? "/dev/null" : spec.input.c_str();
  const Descriptor input(open(input_path, O_RDONLY | O_CLOEXEC), input_path);
  const Descriptor output(
      spec.keep_output ? memfd_create("output", MFD_CLOEXEC) : open("/dev/null", O_WRONLY | O_CLOEXEC),
      "standard output");
  const Descriptor errors(memfd_create("errors", MFD_CLOEXEC), "standard error");
  ChildRun run;
  const size_t floor_kib = lowest_visible_peak_kib();
  const Clock::time_point started = Clock::now();
  const pid_t pid = start(spec, input.get(), output.get(), errors.get());
  const Samples samples = watch(spec, pid, started, run);
  run.wall_seconds = std::chrono::duration<double>(Clock::now() - started).count();
  kill(-pid, SIGKILL);  // what it left behind in its group, while its number can't be reused
  int status = 0;
  rusage usage{};
  while (wait4(pid, &status, 0, &usage) < 0 && errno == EINTR)
    continue;
  run.cpu_seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
  if (WIFEXITED(status)) run.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) run.signal = WTERMSIG(status);
  measure_memory(spec, samples, floor_kib, usage, run);
  if (spec.keep_output) run.output = contents_of(output.get(), SIZE_MAX);
  run.errors = contents_of(errors.get(), kLastWords);
  return run;
}

}  // namespace ashlar::bench
