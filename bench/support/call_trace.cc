// The traced side and the tracer: see call_trace.h.
#include "support/call_trace.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

namespace ashlar::bench {

namespace {

constexpr const char* kVariable = "ASHLAR_CALL_TRACE_FD";
constexpr size_t kSlots = 64;
constexpr int kSyscallStop = SIGTRAP | 0x80;  // with PTRACE_O_TRACESYSGOOD

struct Shared {
  CallSlot slots[kSlots];
  std::atomic<uint64_t> first_break;  // the program break when counting started
};

[[noreturn]] void stop(const char* what) {
  fprintf(stderr, "call_trace: %s: %s\n", what, strerror(errno));
  exit(1);
}

Shared* map_shared(int fd) {
  void* const memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (memory == MAP_FAILED) stop("mmap of the counters");
  return static_cast<Shared*>(memory);
}

// The traced process's view; mapped at the first use.
Shared* shared() {
  static Shared* const mapped = [] {
    const char* const fd = getenv(kVariable);
    if (fd == nullptr) {
      fprintf(stderr, "call_trace: not under trace_self\n");
      exit(1);
    }
    return map_shared(atoi(fd));
  }();
  return mapped;
}

uint64_t faults_of_thread() {
  rusage usage;
  getrusage(RUSAGE_THREAD, &usage);
  return static_cast<uint64_t>(usage.ru_minflt + usage.ru_majflt);
}

struct Range {
  uint64_t start;
  uint64_t bytes;
};

// The tracer's books. Every method runs in the tracing process, which has one thread.
class Tracer {
 public:
  Tracer(pid_t child, Shared* shared) : child_(child), shared_(shared) {}

  // Until the child has ended; its exit status.
  int run();

 private:
  // What to resume with after the stop, and which signal to deliver.
  struct Resume {
    __ptrace_request request;
    int signal;
  };
  Resume on_stop(pid_t thread, int status);
  Resume on_system_call(pid_t thread);
  void on_return(pid_t thread);
  CallSlot* slot_in_call(pid_t thread);
  Range given_back_by(const __ptrace_syscall_info& info);
  uint64_t resident_pages(Range range);

  struct Pending {
    CallSlot* slot;  // null when the call is outside of every measure()
    uint64_t pages;
    bool is_break;
  };

  const pid_t child_;
  Shared* const shared_;
  int pagemap_ = -1;
  uint64_t break_ = 0;
  std::map<pid_t, Pending> pending_;
};

CallSlot* Tracer::slot_in_call(pid_t thread) {
  for (CallSlot& slot : shared_->slots)
    if (slot.thread.load() == thread) return slot.in_call.load() != 0 ? &slot : nullptr;
  return nullptr;
}

// Address space that the call takes away or empties; nothing for all other calls. A process_madvise is not
// looked into.
Range Tracer::given_back_by(const __ptrace_syscall_info& info) {
  const auto& args = info.seccomp.args;
  switch (info.seccomp.nr) {
    case SYS_munmap:
      return {args[0], args[1]};
    case SYS_mmap:
      return (args[3] & MAP_FIXED) != 0 ? Range{args[0], args[1]} : Range{0, 0};
    case SYS_mremap:
      return args[2] < args[1] ? Range{args[0] + args[2], args[1] - args[2]} : Range{0, 0};
    case SYS_madvise: {
      constexpr uint64_t kDontNeedLocked = 24;  // Linux 5.18
      const uint64_t advice = args[2];
      const bool returns = advice == MADV_DONTNEED || advice == MADV_FREE || advice == MADV_REMOVE ||
                           advice == kDontNeedLocked;
      return returns ? Range{args[0], args[1]} : Range{0, 0};
    }
    case SYS_brk: {
      if (break_ == 0) break_ = shared_->first_break.load();
      return args[0] != 0 && args[0] < break_ ? Range{args[0], break_ - args[0]} : Range{0, 0};
    }
    default:
      return {0, 0};
  }
}

// Whole pages of the range that are in memory now, from /proc/PID/pagemap.
uint64_t Tracer::resident_pages(Range range) {
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  uint64_t at = (range.start + page - 1) / page;
  const uint64_t end = (range.start + range.bytes + page - 1) / page;
  if (range.bytes == 0 || end <= at) return 0;
  if (pagemap_ < 0) {
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/pagemap", child_);
    pagemap_ = open(path, O_RDONLY | O_CLOEXEC);
    if (pagemap_ < 0) stop(path);
  }
  constexpr uint64_t kPresent = uint64_t{1} << 63;
  static uint64_t entries[8192];
  uint64_t resident = 0;
  while (at < end) {
    const uint64_t count = std::min<uint64_t>(end - at, std::size(entries));
    const ssize_t got = pread(pagemap_, entries, count * 8, static_cast<off_t>(at * 8));
    if (got < 8) stop("reading pagemap");
    const auto read = static_cast<uint64_t>(got) / 8;
    resident += static_cast<uint64_t>(
        std::count_if(entries, entries + read, [](uint64_t entry) { return (entry & kPresent) != 0; }));
    at += read;
  }
  return resident;
}

Tracer::Resume Tracer::on_system_call(pid_t thread) {
  __ptrace_syscall_info info{};
  if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0) stop("PTRACE_GET_SYSCALL_INFO");
  CallSlot* const slot = slot_in_call(thread);
  if (slot != nullptr) slot->system_calls.fetch_add(1);
  const bool is_break = info.seccomp.nr == SYS_brk;
  const Range range = given_back_by(info);
  if (!is_break && (slot == nullptr || range.bytes == 0)) return {PTRACE_CONT, 0};
  // Only what succeeds counts, and where the break is then, the kernel says.
  pending_[thread] = {slot, slot != nullptr ? resident_pages(range) : 0, is_break};
  return {PTRACE_SYSCALL, 0};
}

void Tracer::on_return(pid_t thread) {
  const auto found = pending_.find(thread);
  if (found == pending_.end()) return;
  const Pending pending = found->second;
  pending_.erase(found);
  __ptrace_syscall_info info{};
  if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0) stop("PTRACE_GET_SYSCALL_INFO");
  if (info.op != PTRACE_SYSCALL_INFO_EXIT || info.exit.is_error != 0) return;
  if (pending.is_break) {
    const auto now = static_cast<uint64_t>(info.exit.rval);
    const bool moved = now < break_;
    break_ = now;
    if (!moved) return;
  }
  if (pending.slot != nullptr) pending.slot->pages_returned.fetch_add(pending.pages);
}

Tracer::Resume Tracer::on_stop(pid_t thread, int status) {
  const int event = status >> 16;
  if (event == PTRACE_EVENT_SECCOMP) return on_system_call(thread);
  if (event != 0) return {PTRACE_CONT, 0};  // exec, a new thread
  if (WSTOPSIG(status) == kSyscallStop) {
    on_return(thread);
    return {PTRACE_CONT, 0};
  }
  return {PTRACE_CONT, WSTOPSIG(status)};
}

int Tracer::run() {
  for (;;) {
    int status = 0;
    const pid_t thread = waitpid(-1, &status, __WALL);
    if (thread < 0) {
      if (errno == EINTR) continue;
      stop("waitpid");
    }
    if (WIFSTOPPED(status)) {
      const Resume resume = on_stop(thread, status);
      // ESRCH: killed meanwhile; a later wait reports its end.
      if (ptrace(resume.request, thread, nullptr, resume.signal) != 0 && errno != ESRCH) stop("ptrace");
      continue;
    }
    if (thread != child_) continue;
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    fprintf(stderr, "call_trace: killed by signal %d\n", WTERMSIG(status));
    return 1;
  }
}

// In the child: waits until it is traced, then becomes the program, as fresh as any.
[[noreturn]] void become_traced(int ready, char** argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  char go = 0;
  if (read(ready, &go, 1) == 1) execv("/proc/self/exe", argv);
  _exit(127);
}

}  // namespace

bool traced() { return getenv(kVariable) != nullptr; }

int trace_self(char** argv) {
  const int fd = memfd_create("call_trace", 0);
  if (fd < 0 || ftruncate(fd, sizeof(Shared)) != 0) stop("memfd_create");
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) != 0) stop("pipe");
  char number[16];
  snprintf(number, sizeof number, "%d", fd);
  setenv(kVariable, number, 1);
  const pid_t child = fork();
  if (child < 0) stop("fork");
  if (child == 0) {
    close(ready[1]);
    become_traced(ready[0], argv);
  }
  const long options = PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
                       PTRACE_O_TRACESYSGOOD;
  if (ptrace(PTRACE_SEIZE, child, nullptr, options) != 0) {
    fprintf(stderr, "call_trace: may not trace a child: %s\n", strerror(errno));
    return kMayNotTrace;
  }
  if (write(ready[1], "g", 1) != 1) stop("pipe");
  close(ready[0]);
  close(ready[1]);
  return Tracer(child, map_shared(fd)).run();
}

void start_counting() {
  shared()->first_break.store(static_cast<uint64_t>(syscall(SYS_brk, 0)));
  sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrusage, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
  };
  const sock_fprog program{.len = std::size(rules), .filter = rules};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) stop("PR_SET_NO_NEW_PRIVS");
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
    stop("the seccomp filter");
}

CallMeter::CallMeter() : slot_(nullptr) {
  const pid_t self = gettid();
  for (CallSlot& slot : shared()->slots) {
    int32_t nobody = 0;
    if (!slot.thread.compare_exchange_strong(nobody, self)) continue;
    slot_ = &slot;
    return;
  }
  fprintf(stderr, "call_trace: more than %zu meters\n", kSlots);
  exit(1);
}

CallMeter::~CallMeter() { slot_->thread.store(0); }

uint64_t CallMeter::begin() {
  slot_->system_calls.store(0, std::memory_order_relaxed);
  slot_->pages_returned.store(0, std::memory_order_relaxed);
  const uint64_t faults = faults_of_thread();
  slot_->in_call.store(1);
  return faults;
}

CallWork CallMeter::end(uint64_t faults_before) {
  slot_->in_call.store(0);
  const uint64_t faults = faults_of_thread();
  return {slot_->system_calls.load(std::memory_order_relaxed), faults - faults_before,
          slot_->pages_returned.load(std::memory_order_relaxed)};
}

}  // namespace ashlar::bench
