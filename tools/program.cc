// PATH search and "#!" resolution. See program.h.
#include "program.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <utility>

#include "file_name.h"

namespace ashlar_command {
namespace {

constexpr std::size_t kMaxInterpreters = 5;  // the kernel's own limit on "#!" within "#!"
constexpr std::string_view kShell = "/bin/sh";

Found examine(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return Found::kNo;
  if (!S_ISREG(info.st_mode)) return Found::kNotExecutable;
  return access(path.c_str(), X_OK) == 0 ? Found::kYes : Found::kNotExecutable;
}

/// NAME and its words when `facts` is the line "#!…/env NAME" or "#!…/env -S NAME WORD..." with nothing else
/// on it, otherwise empty: then env has something to do itself.
std::vector<std::string> words_for_env(const FileFacts& facts) {
  if (file_name(facts.interpreter) != "env") return {};
  std::string_view text = facts.script_argument;
  const bool split = text.starts_with("-S") && text.find_first_of("\"'\\$#") == std::string_view::npos;
  if (split) text.remove_prefix(2);
  std::vector<std::string> words;
  for (std::size_t start = 0; (start = text.find_first_not_of(" \t", start)) != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(" \t", start), text.size());
    words.emplace_back(text.substr(start, end - start));
    start = end;
  }
  const bool plain = !words.empty() && (split || words.size() == 1) && !words[0].starts_with('-') &&
                     words[0].find('=') == std::string::npos;
  return plain ? words : std::vector<std::string>{};
}

/// Puts the interpreter of the script in front of the arguments, as the kernel (or env) does.
/// Returns false when the interpreter cannot be executed; then `missing` is set.
bool step_to_interpreter(const FileFacts& facts, std::string_view search_path, Program& program) {
  std::vector<std::string> argv;
  SearchResult next;
  if (facts.kind == FileKind::kText) {
    next = {examine(std::string(kShell)), std::string(kShell)};
    argv = {std::string(kShell)};
  } else if (std::vector<std::string> words = words_for_env(facts); !words.empty()) {
    next = find_program(words[0], search_path);
    if (next.found == Found::kNo) next.path = words[0];
    argv = std::move(words);
  } else {
    next = {examine(facts.interpreter), facts.interpreter};
    argv = {facts.interpreter};
    if (!facts.script_argument.empty()) argv.push_back(facts.script_argument);
  }
  if (next.found != Found::kYes) {
    program.found = next.found;
    program.missing = next.path;
    return false;
  }
  argv.push_back(program.path);
  argv.insert(argv.end(), program.argv.begin() + 1, program.argv.end());
  program.argv = std::move(argv);
  program.path = next.path;
  return true;
}

}  // namespace

SearchResult find_program(std::string_view name, std::string_view search_path) {
  if (name.empty()) return {};
  if (name.find('/') != std::string_view::npos) {
    const std::string path(name);
    return {examine(path), path};
  }
  SearchResult passed_over;
  std::size_t start = 0;
  while (true) {
    const std::size_t end = search_path.find(':', start);
    std::string path(search_path.substr(start, end == std::string_view::npos ? end : end - start));
    if (path.empty()) path.push_back('.');
    path += '/';
    path += name;
    const Found found = examine(path);
    if (found == Found::kYes) return {found, path};
    if (found == Found::kNotExecutable && passed_over.found == Found::kNo) passed_over = {found, path};
    if (end == std::string_view::npos) return passed_over;
    start = end + 1;
  }
}

std::string search_path_of_environment() {
  if (const char* value = std::getenv("PATH")) return value;
  std::string value(confstr(_CS_PATH, nullptr, 0), '\0');
  confstr(_CS_PATH, value.data(), value.size());
  value.resize(value.find('\0'));
  return value;
}

bool is_wrapper(std::string_view path) {
  static constexpr std::string_view kWrappers[] = {
      "sh",      "bash",    "dash",    "ash",     "ksh",   "mksh",    "zsh",     "fish",
      "busybox", "env",     "nice",    "ionice",  "nohup", "setsid",  "setpriv", "chrt",
      "time",    "taskset", "stdbuf",  "timeout", "xargs", "unshare", "chroot",  "sudo",
      "nsenter", "setarch", "prlimit", "runuser", "flock", "numactl",
  };
  return std::find(std::begin(kWrappers), std::end(kWrappers), file_name(path)) != std::end(kWrappers);
}

Program resolve_program(const std::vector<std::string>& words, std::string_view search_path) {
  Program program;
  if (words.empty()) return program;
  const SearchResult first = find_program(words[0], search_path);
  program.found = first.found;
  program.path = first.path;
  program.argv = words;
  if (first.found != Found::kYes) {
    program.missing = first.path.empty() ? words[0] : first.path;
    return program;
  }
  while (true) {
    program.chain.push_back({program.path, inspect_file(program.path)});
    const FileFacts& facts = program.chain.back().facts;
    if (facts.kind != FileKind::kScript && facts.kind != FileKind::kText) return program;
    if (program.chain.size() > kMaxInterpreters) {
      program.too_deep = true;
      return program;
    }
    if (!step_to_interpreter(facts, search_path, program)) return program;
  }
}

}  // namespace ashlar_command
