// See runner.h.
#include "doctor/runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace ashlar_command {
namespace {

namespace fs = std::filesystem;

/// The number in the line of /proc/PID/status.
std::optional<std::uint64_t> status_number(const Tree& tree, std::uint64_t pid, std::string_view key) {
  const std::string status = tree.read(fmt::format("/proc/{}/status", pid)).value_or("");
  return leading_number(line_after(status, key).value_or(""));
}

}  // namespace

std::vector<std::string> command_line(const Tree& tree, pid_t pid) {
  const std::string text = tree.read(fmt::format("/proc/{}/cmdline", pid)).value_or("");
  std::vector<std::string> words;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\0', start), text.size());
    words.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return words;
}

std::optional<std::vector<pid_t>> run_children(const Tree& tree, pid_t pid) {
  const std::vector<std::string> words = command_line(tree, pid);
  const std::string name = tree.read(fmt::format("/proc/{}/comm", pid)).value_or("");
  if (name != "ashlar\n" || words.size() < 2 || words[1] != "run") return std::nullopt;
  std::vector<pid_t> children;
  std::error_code error;
  for (fs::directory_iterator it(tree.real("/proc"), error), end; !error && it != end; it.increment(error)) {
    const std::string file = it->path().filename().string();
    const std::optional<std::uint64_t> number = leading_number(file);
    if (!number || file.find_first_not_of("0123456789") != std::string::npos) continue;
    if (status_number(tree, *number, "PPid:") == static_cast<std::uint64_t>(pid)) {
      children.push_back(static_cast<pid_t>(*number));
    }
  }
  std::sort(children.begin(), children.end());
  return children;
}

}  // namespace ashlar_command
