// The running program: fork, probe, signals, wait. See child.h.
#include "child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <system_error>

#include "maps.h"

namespace ashlar_command {
namespace {

using Clock = std::chrono::steady_clock;

// The probe's descriptor is high, out of the way of scripts that use 3 to 9 by number.
constexpr int kProbeFdFrom = 700;
constexpr int kLookMilliseconds = 20;
// The probe answers before main; a loader that needs longer than this is being debugged.
constexpr std::chrono::seconds kPatience{10};
constexpr int kForwarded[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH, SIGCONT};

class Runner {
 public:
  Runner(const Launch& launch, const AnswerHandler& on_answer) : launch_(launch), on_answer_(on_answer) {}

  Outcome run() {
    take_signals();
    exec_pipe_ = make_pipe();
    if (launch_.probe) probe_pipe_ = make_pipe();
    child_ = fork();
    if (child_ == 0) become_program();
    if (child_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
    exec_pipe_.write.reset();
    probe_pipe_.write.reset();
    give_up_standard_streams();
    while (!ended_)
      step();
    // What the program wrote before it ended is still in the pipe.
    if (waiting_for_answer()) read_probe(true);
    if (waiting_for_answer()) decide({Verdict::kSilent, "it ended before the library answered", {}});
    return outcome_;
  }

 private:
  void take_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : kForwarded)
      sigaddset(&set, signal);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, &old_mask_);
    // An inherited SIG_IGN would have the kernel reap the child before we can ask for its status.
    struct sigaction plain {};
    plain.sa_handler = SIG_DFL;
    sigaction(SIGCHLD, &plain, &old_sigchld_);
    signals_ = UniqueFd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_.open()) throw std::system_error(errno, std::generic_category(), "signalfd");
  }

  [[noreturn]] void become_program() {
    sigaction(SIGCHLD, &old_sigchld_, nullptr);
    sigprocmask(SIG_SETMASK, &old_mask_, nullptr);
    const int error = execute(launch_, launch_.probe ? probe_pipe_.write.get() : -1);
    [[maybe_unused]] const ssize_t written = write(exec_pipe_.write.get(), &error, sizeof(error));
    _exit(127);
  }

  /// A pipe that the program closes must not stay open in this process.
  static void give_up_standard_streams() {
    const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!null.open()) return;
    dup2(null.get(), STDIN_FILENO);
    dup2(null.get(), STDOUT_FILENO);
  }

  bool waiting_for_answer() const { return launch_.probe && !answered_ && outcome_.exec_error == 0; }

  void step() {
    pollfd fds[3] = {{signals_.get(), POLLIN, 0}, {-1, POLLIN, 0}, {-1, POLLIN, 0}};
    if (!executed_) fds[1].fd = exec_pipe_.read.get();
    if (waiting_for_answer()) fds[2].fd = probe_pipe_.read.get();
    const bool look = executed_ && waiting_for_answer();
    if (poll(fds, 3, look ? kLookMilliseconds : -1) < 0 && errno != EINTR) {
      throw std::system_error(errno, std::generic_category(), "poll");
    }
    if (fds[1].revents != 0) read_exec();
    if (fds[2].revents != 0) read_probe(false);
    if (executed_ && waiting_for_answer()) look_at_program();
    if (fds[0].revents != 0) read_signals();
  }

  /// The pipe closes when execve succeeds; before that, nothing but an errno value comes through it.
  void read_exec() {
    int error = 0;
    if (read(exec_pipe_.read.get(), &error, sizeof(error)) == sizeof(error)) outcome_.exec_error = error;
    executed_ = true;
    executed_at_ = Clock::now();
  }

  void read_probe(bool last) {
    if (last) fcntl(probe_pipe_.read.get(), F_SETFL, O_NONBLOCK);
    char buffer[512];
    while (true) {
      const ssize_t got = read(probe_pipe_.read.get(), buffer, sizeof(buffer));
      if (got < 0 && errno == EINTR) continue;
      if (got > 0) probe_line_.append(buffer, static_cast<std::size_t>(got));
      if (const auto end = probe_line_.find('\n'); end != std::string::npos) {
        decide(parse_answer(probe_line_.substr(0, end)));
      } else if (got == 0) {
        decide({Verdict::kSilent, "the library was not loaded", {}});
      } else if (last && got > 0) {
        continue;
      }
      return;
    }
  }

  /// The loader maps what is preloaded before anything else: libc without Ashlar means that Ashlar
  /// will not come. So a program that runs for hours need not end before that is known.
  void look_at_program() {
    const std::vector<std::string> files = mapped_files(read_maps(child_));
    const bool missed = maps_file(files, "libc.so") && !maps_file(files, launch_.library);
    if (missed) read_probe_if_ready();
    if (!waiting_for_answer()) return;
    if (missed)
      decide({Verdict::kSilent, "the library is not mapped in it", {}});
    else if (Clock::now() - executed_at_ > kPatience) {
      decide({Verdict::kSilent, fmt::format("the library did not answer in {} s", kPatience.count()), {}});
    }
  }

  /// The answering program may have executed another one in the meantime.
  void read_probe_if_ready() {
    pollfd fd = {probe_pipe_.read.get(), POLLIN, 0};
    if (poll(&fd, 1, 0) == 1) read_probe(false);
  }

  void decide(Answer answer) {
    answered_ = true;  // the pipe stays: a late answer into a closed one would end the program by SIGPIPE
    if (!ended_) answer.mapped = mapped_files(read_maps(child_));
    if (on_answer_(answer)) return;
    outcome_.killed = true;
    if (!ended_) kill(child_, SIGKILL);
  }

  void read_signals() {
    signalfd_siginfo info{};
    while (read(signals_.get(), &info, sizeof(info)) == sizeof(info)) {
      if (info.ssi_signo == SIGCHLD) {
        if (waitpid(child_, &outcome_.wait_status, WNOHANG) == child_) ended_ = true;
      } else if (!ended_ && info.ssi_code != SI_KERNEL && info.ssi_pid != static_cast<unsigned>(child_)) {
        kill(child_, static_cast<int>(info.ssi_signo));
      }
    }
  }

  const Launch& launch_;
  const AnswerHandler& on_answer_;
  sigset_t old_mask_{};
  struct sigaction old_sigchld_ {};
  UniqueFd signals_;
  Pipe exec_pipe_;
  Pipe probe_pipe_;
  pid_t child_ = -1;
  std::string probe_line_;
  Clock::time_point executed_at_{};
  bool executed_ = false;
  bool answered_ = false;
  bool ended_ = false;
  Outcome outcome_;
};

}  // namespace

Pipe make_pipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe2");
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

int execute(const Launch& launch, int probe_fd) {
  for (const auto& [name, value] : launch.environment)
    setenv(name.c_str(), value.c_str(), 1);
  if (probe_fd >= 0) {
    int fd = fcntl(probe_fd, F_DUPFD, kProbeFdFrom);
    if (fd < 0) fd = dup(probe_fd);
    setenv("ASHLAR_PROBE", fmt::format("{}:{}", getpid(), fd).c_str(), 1);
  }
  std::vector<char*> argv;
  for (const std::string& word : launch.argv)
    argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  execv(launch.path.c_str(), argv.data());
  return errno;
}

Answer parse_answer(const std::string& line) {
  constexpr std::string_view kServing = "serving";
  constexpr std::string_view kNotServing = "not-serving";
  const std::size_t blank = line.find(' ');
  const std::string word = line.substr(0, blank);
  const std::string rest = blank == std::string::npos ? std::string{} : line.substr(blank + 1);
  if (word == kServing) return {Verdict::kServing, rest, {}};
  if (word == kNotServing) return {Verdict::kNotServing, rest, {}};
  return {Verdict::kSilent,
          fmt::format("the library answered \"{}\", which this command does not know", line),
          {}};
}

Outcome run_child(const Launch& launch, const AnswerHandler& on_answer) {
  return Runner(launch, on_answer).run();
}

int exit_code(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

}  // namespace ashlar_command
