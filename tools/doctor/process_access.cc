// See process_access.h. The rules are those of ptrace(2), "Ptrace access mode checking", and of the kernel's
// Documentation/admin-guide/LSM/Yama.rst.
#include "doctor/process_access.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace ashlar_command {
namespace {

constexpr std::uint64_t kKernelThread = 0x00200000;  // PF_KTHREAD in the flags of /proc/PID/stat
constexpr std::size_t kFlagsField = 6;               // counted behind the name
constexpr std::uint64_t kNobody = 3;                 // of kernel.yama.ptrace_scope

std::string directory(pid_t pid) { return fmt::format("/proc/{}", pid); }

std::string field(const std::string& status, std::string_view key) {
  const std::string line = line_after(status, key).value_or("");
  const std::size_t start = line.find_first_not_of(" \t");
  return start == std::string::npos ? std::string{} : line.substr(start);
}

bool is_kernel_thread(const Tree& tree, pid_t pid, const std::string& status) {
  if (const std::string said = field(status, "Kthread:"); !said.empty()) return said == "1";  // Linux 6.8
  const std::string stat = tree.read(directory(pid) + "/stat").value_or("");
  std::size_t at = stat.rfind(')');  // the name may hold blanks and parentheses
  for (std::size_t i = 0; i < kFlagsField + 1 && at != std::string::npos; ++i)
    at = stat.find(' ', at + 1);
  const std::optional<std::uint64_t> flags =
      at == std::string::npos ? std::nullopt : leading_number(std::string_view(stat).substr(at));
  return flags && (*flags & kKernelThread) != 0;
}

/// Real, effective and saved user; nothing where the text does not say.
std::optional<std::array<std::uint64_t, 3>> users(const std::string& status) {
  std::string text = field(status, "Uid:");
  std::array<std::uint64_t, 3> ids{};
  std::string_view rest = text;
  for (std::uint64_t& id : ids) {
    const std::optional<std::uint64_t> number = leading_number(rest);
    if (!number) return std::nullopt;
    id = *number;
    rest.remove_prefix(std::min(rest.find_first_of(" \t", rest.find_first_not_of(" \t")), rest.size()));
  }
  return ids;
}

Finding forbidden(std::string found, std::string meaning, std::string remedy) {
  return {"process", Severity::kProblem, std::move(found), std::move(meaning), std::move(remedy), true};
}

}  // namespace

std::optional<std::string> absent_reason(const Tree& tree, pid_t pid) {
  const std::string status = tree.read(directory(pid) + "/status").value_or("");
  if (status.empty()) {
    return fmt::format(
        "there is no process {}; `pgrep -a NAME` finds numbers (in a container its own hold, not the "
        "host's)",
        pid);
  }
  const std::string name = field(status, "Name:");
  const std::string state = field(status, "State:");
  if (state.starts_with('Z') || state.starts_with('X')) {
    return fmt::format(
        "process {} ({}) has ended and waits for its parent, process {}, to ask for its status: its "
        "memory is gone; look at one that runs",
        pid, name, field(status, "PPid:"));
  }
  if (is_kernel_thread(tree, pid, status)) {
    return fmt::format(
        "process {} ({}) is a thread of the kernel, which has no malloc; name a program's process", pid,
        name);
  }
  return std::nullopt;
}

Finding access_finding(const Tree& tree, pid_t pid, uid_t caller) {
  const std::string status = tree.read(directory(pid) + "/status").value_or("");
  const auto ids = users(status);
  const std::uint64_t scope = tree.number("/proc/sys/kernel/yama/ptrace_scope").value_or(0);
  // Before the others: neither root nor a capability helps then.
  if (scope >= kNobody) {
    return forbidden(fmt::format("kernel.yama.ptrace_scope is {}", scope),
                     "Nobody may then look into processes, root neither, until the machine is started again.",
                     "Start the program under it instead: ashlar run --verbose -- PROGRAM asks the library.");
  }
  if (caller == 0) {
    return forbidden(
        "this root may not look into it",
        "It has not the capability CAP_SYS_PTRACE, as in most containers, or the process is in another "
        "user namespace.",
        "Run it on the host, or give the container the capability: --cap-add SYS_PTRACE.");
  }
  const bool same =
      ids && std::all_of(ids->begin(), ids->end(), [&](std::uint64_t id) { return id == caller; });
  if (ids && !same) {
    return forbidden(
        fmt::format("it belongs to user {}, and this command runs as user {}", ids->at(1), caller),
        "The memory of a process is shown to its own user and to root.",
        "Run this as root (sudo), or as that user.");
  }
  if (scope != 0) {
    return forbidden(fmt::format("kernel.yama.ptrace_scope is {}", scope),
                     scope == 1 ? "A process may then look only into those that it started itself."
                                : "Only root may then look into processes.",
                     "Run this as root (sudo), or for the time being: sysctl kernel.yama.ptrace_scope=0.");
  }
  return forbidden(
      "the process does not let itself be looked into",
      "It was started with more rights than its user has (set-user-ID, file capabilities), or it called "
      "prctl(PR_SET_DUMPABLE, 0) as ssh-agent does, or a security module forbids it.",
      "Run this as root (sudo).");
}

}  // namespace ashlar_command
