// Settings and limits. See system_checks.h.
#include "doctor/system_checks.h"

#include <fmt/format.h>

#include <algorithm>

#include "human_bytes.h"

namespace ashlar_command {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::uint64_t kGiB = 1024 * kMiB;
constexpr const char* kNotShown =
    "The system does not show it (a container, a sandbox), so nothing is said about it.";

double percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

/// The word in brackets of "always [madvise] never".
std::string chosen(std::string_view text) {
  const std::size_t start = text.find('[');
  const std::size_t end = text.find(']', start == std::string_view::npos ? text.size() : start);
  return end == std::string_view::npos ? std::string{} : std::string(text.substr(start + 1, end - start - 1));
}

/// The window that the library reserves when nothing limits it: twice the memory, 1 GiB at least
/// (docs/options.md).
std::uint64_t default_window(std::uint64_t memory) { return std::max(2 * memory, kGiB); }

Finding check_address_space(const ProcessFacts& process, std::uint64_t memory) {
  const std::optional<std::uint64_t>& limit = process.limits.address_space;
  if (!limit) return {"RLIMIT_AS", Severity::kOk, "unlimited", "", ""};
  Finding finding{"RLIMIT_AS", Severity::kOk, human_bytes(*limit), "", ""};
  const std::uint64_t half = *limit / 2;
  if (memory != 0 && half >= default_window(memory)) return finding;
  finding.severity = Severity::kNote;
  finding.meaning =
      "The default window takes more than half of it: Ashlar reserves 1 MiB and grows in place as memory is "
      "needed, up to the limit. Beyond it, malloc fails with ENOMEM.";
  if (const auto& stack = process.limits.stack; stack && *stack > 0) {
    finding.meaning += fmt::format(" Thread stacks of {} each count too: {} of them would fill it.",
                                   human_bytes(*stack), *limit / *stack);
  }
  finding.remedy =
      "Limit memory by a cgroup instead (it counts what is used, not what is reserved), or raise "
      "the limit: ulimit -v unlimited.";
  return finding;
}

Finding check_data(const ProcessFacts& process) {
  const std::optional<std::uint64_t>& limit = process.limits.data;
  if (!limit) return {"RLIMIT_DATA", Severity::kOk, "unlimited", "", ""};
  const bool near = process.data_bytes >= *limit / 10 * 9;
  return {
      "RLIMIT_DATA", near ? Severity::kWarning : Severity::kNote,
      fmt::format("{}, of which the process has {}", human_bytes(*limit), human_bytes(process.data_bytes)),
      "It counts writable private memory: what Ashlar has opened of its window, but not what it has only "
      "reserved. Beyond it, malloc fails with ENOMEM.",
      "Limit memory by a cgroup instead, or raise the limit: ulimit -d unlimited."};
}

Finding check_locked(const ProcessFacts& process) {
  const std::optional<std::uint64_t>& limit = process.limits.locked;
  const std::string found = limit ? human_bytes(*limit) : std::string("unlimited");
  if (process.locked_bytes > 0) {
    return {"RLIMIT_MEMLOCK", Severity::kNote,
            fmt::format("{}; {} are locked now", found, human_bytes(process.locked_bytes)),
            "Locked pages cannot be given back: free memory stays resident until it is unlocked.",
            "Lock only what must not be paged out (mlock) rather than everything (mlockall)."};
  }
  if (!limit) return {"RLIMIT_MEMLOCK", Severity::kOk, found, "", ""};
  return {"RLIMIT_MEMLOCK", Severity::kOk, found,
          "Nothing is locked. An mlockall without privilege would compare this limit with the whole address "
          "space, Ashlar's reserved window included: ASHLAR_CONF=window:SIZE makes that smaller.",
          ""};
}

Finding check_stack(const ProcessFacts& process) {
  const std::optional<std::uint64_t>& limit = process.limits.stack;
  if (!limit) {
    return {"RLIMIT_STACK", Severity::kOk, "unlimited",
            "Mappings, Ashlar's window with them, grow upward from a third of the address space; glibc gives "
            "threads 2 MiB of stack.",
            ""};
  }
  if (*limit < kGiB) return {"RLIMIT_STACK", Severity::kOk, human_bytes(*limit), "", ""};
  return {"RLIMIT_STACK", Severity::kNote, human_bytes(*limit),
          "Each thread reserves that much address space for its stack, beside Ashlar's window.",
          "ulimit -s 8192, unless the program needs such stacks."};
}

}  // namespace

Finding check_huge_pages(const Tree& tree, bool off_for_process) {
  const std::string mode = chosen(tree.read("/sys/kernel/mm/transparent_hugepage/enabled").value_or(""));
  if (mode.empty()) return {"huge pages", Severity::kOk, "transparent huge pages are not there", "", ""};
  if (mode != "always") return {"huge pages", Severity::kOk, fmt::format("set to {}", mode), "", ""};
  if (off_for_process) {
    return {"huge pages", Severity::kOk, "set to always, but switched off for this process", "", ""};
  }
  return {
      "huge pages", Severity::kNote, "set to always",
      "The kernel backs heaps of more than 2 MiB with huge pages as it likes: fewer faults, more RSS. Memory "
      "that Ashlar returns in parts of a huge page is free for others only when the kernel splits it.",
      "If RSS matters more than speed: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled."};
}

Finding check_overcommit(const Tree& tree) {
  const std::optional<std::uint64_t> mode = tree.number("/proc/sys/vm/overcommit_memory");
  if (!mode) return {"overcommit", Severity::kNote, "vm.overcommit_memory cannot be read", kNotShown, ""};
  if (*mode != 2) return {"overcommit", Severity::kOk, fmt::format("mode {}", *mode), "", ""};
  const std::string memory = tree.read("/proc/meminfo").value_or("");
  const auto kilobytes = [&](std::string_view key) {
    return leading_number(line_after(memory, key).value_or("")).value_or(0) * 1024;
  };
  const std::uint64_t limit = kilobytes("CommitLimit:");
  const std::uint64_t committed = kilobytes("Committed_AS:");
  const std::uint64_t fixed = tree.number("/proc/sys/vm/overcommit_kbytes").value_or(0);
  const std::string rule = fixed > 0 ? fmt::format("vm.overcommit_kbytes {}", fixed)
                                     : fmt::format("vm.overcommit_ratio {}",
                                                   tree.number("/proc/sys/vm/overcommit_ratio").value_or(0));
  const bool full = percent(committed, limit) >= 90;
  return {
      "overcommit", full ? Severity::kWarning : Severity::kNote,
      fmt::format("mode 2 ({}): {} of {} committed ({:.0f} %)", rule, human_bytes(committed),
                  human_bytes(limit), percent(committed, limit)),
      "The kernel refuses memory beyond the limit, used or not. What Ashlar has only reserved does not "
      "count; "
      "what it has opened counts, also after the pages went back.",
      full ? "Raise vm.overcommit_ratio, add swap, or set vm.overcommit_memory=0: malloc and fork are about "
             "to fail."
           : ""};
}

Finding check_mappings(const Tree& tree, std::size_t mappings) {
  const std::optional<std::uint64_t> limit = tree.number("/proc/sys/vm/max_map_count");
  if (!limit) return {"mappings", Severity::kNote, "vm.max_map_count cannot be read", kNotShown, ""};
  const double used = percent(mappings, *limit);
  Finding finding{"mappings", Severity::kOk, fmt::format("{} of {} (vm.max_map_count)", mappings, *limit), "",
                  ""};
  if (used < 80) return finding;
  finding.severity = Severity::kWarning;
  finding.meaning =
      "At the limit, mmap, mprotect and munmap fail with ENOMEM while there is memory: large blocks, "
      "new threads and libraries cannot be had.";
  finding.remedy = fmt::format("sysctl vm.max_map_count={}; /proc/PID/maps shows whose mappings they are.",
                               std::max<std::uint64_t>(*limit * 4, 262144));
  return finding;
}

Finding check_page_size(std::uint64_t page_size) {
  if (page_size == 0) return {"page size", Severity::kNote, "cannot be read", kNotShown, ""};
  if (page_size == 4096) return {"page size", Severity::kOk, "4 KiB", "", ""};
  return {
      "page size", Severity::kWarning, human_bytes(page_size),
      "Ashlar finds the kernel's page size at run time and returns memory in such pages, but has been tested "
      "with 4 KiB alone.",
      "Expect more resident memory, and report what does not work."};
}

Finding check_cgroup(const Tree& tree, std::string_view cgroup) {
  const std::optional<CgroupLimit> limit = memory_limit(tree, cgroup);
  if (!limit) return {"cgroup", Severity::kOk, "no memory limit", "", ""};
  Finding finding{"cgroup", Severity::kOk,
                  fmt::format("{}, of which {} are used ({})", human_bytes(limit->bytes),
                              human_bytes(limit->used), limit->file),
                  "Ashlar's default window is twice that, 1 GiB at least.", ""};
  if (percent(limit->used, limit->bytes) < 90) return finding;
  finding.severity = Severity::kWarning;
  finding.meaning =
      "Beyond the limit the kernel kills a process of the group. Ashlar keeps free memory of up to an eighth "
      "of "
      "the live bytes for reuse.";
  finding.remedy =
      "Raise the limit, or let Ashlar keep less: ASHLAR_CONF=purge_share:64,regret_limit:0. Where the "
      "memory is: ashlar run --stats.";
  return finding;
}

std::uint64_t usable_memory(const Tree& tree, std::string_view cgroup) {
  const std::string text = tree.read("/proc/meminfo").value_or("");
  const std::uint64_t ram = leading_number(line_after(text, "MemTotal:").value_or("")).value_or(0) * 1024;
  const std::optional<CgroupLimit> limit = memory_limit(tree, cgroup);
  return limit && (ram == 0 || limit->bytes < ram) ? limit->bytes : ram;
}

Findings check_limits(const ProcessFacts& process, std::uint64_t memory) {
  if (!process.limits.known)
    return {{"limits", Severity::kNote, "the process's limits cannot be read", kNotShown, ""}};
  return {check_address_space(process, memory), check_data(process), check_locked(process),
          check_stack(process)};
}

}  // namespace ashlar_command
