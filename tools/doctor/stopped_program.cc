// ptrace. See stopped_program.h.
#include "doctor/stopped_program.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <thread>

#include "doctor/process_facts.h"
#include "program.h"

namespace ashlar_command {
namespace {

using Clock = std::chrono::steady_clock;

// A loader that needs longer is itself being debugged, or waits for something.
constexpr std::chrono::seconds kPatience{20};
constexpr int kSyscallStop = SIGTRAP | 0x80;
constexpr std::size_t kMessagesShown = 2000;

// What the child sends when it cannot be traced, in place of an errno of execve.
constexpr int kNotTraceable = -1;

#if defined(__x86_64__)
constexpr long kTrapMask = 0xff;
constexpr long kTrap = 0xcc;              // int3
constexpr std::uint64_t kTrapLength = 1;  // the counter stands behind it
unsigned long long& program_counter(user_regs_struct& registers) { return registers.rip; }
#elif defined(__aarch64__)
constexpr long kTrapMask = 0xffffffff;
constexpr long kTrap = 0xd4200000;        // brk #0
constexpr std::uint64_t kTrapLength = 0;  // the counter stands on it
unsigned long long& program_counter(user_regs_struct& registers) { return registers.pc; }
#else
#error "no breakpoint known for this processor"
#endif

// A program that is followed is in a session of its own, whose process group has its number.
constexpr int kEndingSignals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
volatile pid_t followed_group = 0;  // for the handler; one program is followed at a time

void end_group(pid_t group) {
  if (group > 0) kill(-group, SIGKILL);
}

// A Ctrl-C of the terminal does not reach another session. SA_RESETHAND: the signal then ends this process.
void end_group_first(int signal) {
  end_group(followed_group);
  raise(signal);
}

void take_ending_signals(pid_t group) {
  followed_group = group;
  for (const int signal : kEndingSignals) {
    struct sigaction action {};
    if (sigaction(signal, nullptr, &action) != 0 || action.sa_handler == SIG_IGN) continue;  // as of nohup
    action = {};
    action.sa_handler = end_group_first;
    action.sa_flags = SA_RESETHAND;
    sigaction(signal, &action, nullptr);
  }
}

bool access_registers(pid_t pid, bool set, user_regs_struct& registers) {
  iovec piece{&registers, sizeof(registers)};
  return ptrace(set ? PTRACE_SETREGSET : PTRACE_GETREGSET, pid, NT_PRSTATUS, &piece) == 0;
}

}  // namespace

StoppedProgram::StoppedProgram(const Launch& launch, Stop stop) {
  start(launch, stop == Stop::kFollowed);
  if (error_.empty()) run_to_entry();
  if (error_.empty() && stop == Stop::kAnswer) run_to_answer();
  while (error_.empty() && stop == Stop::kFollowed &&
         is_wrapper(read_process(Tree(), std::to_string(child_)).program)) {
    run_to_exec();
    if (error_.empty()) run_to_entry();
  }
  if (launch.probe) read_answer();
}

StoppedProgram::~StoppedProgram() {
  if (child_ <= 0 || ended_) return;
  end_group(group_);
  kill(child_, SIGKILL);
  while (waitpid(child_, nullptr, 0) < 0 && errno == EINTR)
    continue;
  followed_group = 0;
}

void StoppedProgram::start(const Launch& launch, bool quiet) {
  Pipe exec_pipe = make_pipe();
  if (launch.probe) probe_ = make_pipe();
  // A file and not a pipe: nobody reads while the program runs, and it must not wait.
  messages_ = UniqueFd(memfd_create("stderr", MFD_CLOEXEC));
  child_ = fork();
  if (child_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (child_ == 0) {
    // A session: what a wrapper starts beside is ended with it, and without a terminal it cannot ask
    // anything.
    if (quiet) setsid();
    if (messages_.open()) dup2(messages_.get(), STDERR_FILENO);
    if (const int null = open("/dev/null", O_RDONLY | O_CLOEXEC); quiet && null >= 0)
      dup2(null, STDIN_FILENO);
    if (quiet && messages_.open()) dup2(messages_.get(), STDOUT_FILENO);
    int error = kNotTraceable;
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0) {
      error = execute(launch, launch.probe ? probe_.write.get() : -1);
    }
    [[maybe_unused]] const ssize_t written = write(exec_pipe.write.get(), &error, sizeof(error));
    _exit(127);
  }
  exec_pipe.write.reset();
  probe_.write.reset();
  int error = 0;
  if (read(exec_pipe.read.get(), &error, sizeof(error)) == sizeof(error)) {
    error_ = error == kNotTraceable ? std::string("this system does not let it be traced (ptrace)")
                                    : std::string(std::strerror(error));
  }
  if (quiet) {  // it has its session now, and waits at execve
    group_ = child_;
    take_ending_signals(group_);
  }
  int signal = 0;
  if (!wait_for_stop(&signal)) return;  // execve's own stop
  if (ptrace(PTRACE_SETOPTIONS, child_, nullptr,
             PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC) != 0) {
    error_ = fmt::format("ptrace: {}", std::strerror(errno));
  }
}

/// Waits until the child stops, at most kPatience. False: it ended, or didn't stop; error_ says what.
/// `executed`: whether it stopped because it has executed another program.
bool StoppedProgram::wait_for_stop(int* signal, bool* executed) {
  const Clock::time_point end = Clock::now() + kPatience;
  while (true) {
    int status = 0;
    const pid_t pid = waitpid(child_, &status, WNOHANG);
    if (pid == child_ && WIFSTOPPED(status)) {
      *signal = WSTOPSIG(status);
      const bool exec = status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8);
      if (exec) *signal = 0;
      if (executed != nullptr) *executed = exec;
      return true;
    }
    if (pid == child_ || (pid < 0 && errno != EINTR)) {
      ended_ = true;
      status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
      end_group(group_);  // now: later its number may be another's
      followed_group = 0;
      if (error_.empty()) {
        error_ = WIFSIGNALED(status)
                     ? fmt::format("signal {} ended it before its main function", WTERMSIG(status))
                     : fmt::format("it ended with status {} before its main function", WEXITSTATUS(status));
      }
      return false;
    }
    if (Clock::now() > end) {
      error_ = fmt::format("it did not come to its main function in {} s", kPatience.count());
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void StoppedProgram::run_to_entry() {
  const std::uint64_t entry = read_process(Tree(), std::to_string(child_)).entry;
  auto* const address = reinterpret_cast<void*>(entry);
  errno = 0;
  const long original = ptrace(PTRACE_PEEKTEXT, child_, address, nullptr);
  if (entry == 0 || errno != 0 ||
      ptrace(PTRACE_POKETEXT, child_, address, (original & ~kTrapMask) | kTrap) != 0) {
    error_ = "its entry point cannot be written";
    return;
  }
  int signal = 0;
  while (true) {
    if (ptrace(PTRACE_CONT, child_, nullptr, signal) != 0 && errno != ESRCH) {
      error_ = fmt::format("ptrace: {}", std::strerror(errno));
      return;
    }
    if (!wait_for_stop(&signal)) return;
    user_regs_struct registers{};
    if (signal != SIGTRAP || !access_registers(child_, false, registers)) continue;
    if (program_counter(registers) != entry + kTrapLength) continue;
    program_counter(registers) = entry;
    if (!access_registers(child_, true, registers)) error_ = "its registers cannot be written";
    ptrace(PTRACE_POKETEXT, child_, address, original);
    return;
  }
}

void StoppedProgram::run_to_exec() {
  int signal = 0;
  bool executed = false;
  while (!executed) {
    if (ptrace(PTRACE_CONT, child_, nullptr, signal) != 0 && errno != ESRCH) {
      error_ = fmt::format("ptrace: {}", std::strerror(errno));
      return;
    }
    if (!wait_for_stop(&signal, &executed)) {
      if (ended_) error_ = "the wrapper ended without executing a program in its place";
      return;
    }
  }
}

void StoppedProgram::run_to_answer() {
  int signal = 0;
  pollfd ready{probe_.read.get(), POLLIN, 0};
  while (poll(&ready, 1, 0) == 0) {
    ptrace(PTRACE_SYSCALL, child_, nullptr, signal);
    if (!wait_for_stop(&signal)) return;
    if (signal == kSyscallStop) signal = 0;
  }
}

void StoppedProgram::read_answer() {
  answer_ = {Verdict::kSilent, "the library did not answer", {}};
  fcntl(probe_.read.get(), F_SETFL, O_NONBLOCK);
  char line[512];
  const ssize_t got = read(probe_.read.get(), line, sizeof(line));  // written by one write(2)
  if (got <= 0) return;
  const std::string text(line, static_cast<std::size_t>(got));
  answer_ = parse_answer(text.substr(0, text.find('\n')));
}

std::string StoppedProgram::messages() const {
  std::string text(kMessagesShown, '\0');
  const ssize_t got = messages_.open() ? pread(messages_.get(), text.data(), text.size(), 0) : 0;
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

}  // namespace ashlar_command
