// The probe and the loader's record of bindings: see verify.h.
#include "race/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace ashlar::bench {

namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 5> kFamily = {"malloc", "free", "calloc", "realloc",
                                                     "malloc_usable_size"};

std::string canonical(const std::string& path) {
  std::error_code error;
  const fs::path full = fs::canonical(path, error);
  return error ? path : full.string();
}

// A directory that goes away with its contents.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (fs::temp_directory_path() / "race-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a temporary directory");
    path_ = pattern;
  }
  ~TemporaryDirectory() {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

void add_line(std::string_view line, Bindings& bindings) {
  constexpr std::string_view kSymbol = "symbol `";
  constexpr std::string_view kTo = " to ";
  const size_t symbol_at = line.rfind(kSymbol);
  const size_t to_at = line.find(kTo);
  if (symbol_at == line.npos || to_at == line.npos || line.find("binding file ") == line.npos) return;
  const std::string_view rest = line.substr(symbol_at + kSymbol.size());
  const std::string_view symbol = rest.substr(0, rest.find('\''));
  if (std::find(kFamily.begin(), kFamily.end(), symbol) == kFamily.end()) return;
  constexpr std::string_view kFrom = "binding file ";
  const size_t from_at = line.find(kFrom) + kFrom.size();
  const auto file_in = [](std::string_view text) {
    return canonical(std::string(text.substr(0, text.rfind(" ["))));
  };
  const std::string_view target = line.substr(to_at + kTo.size());
  const std::string to = file_in(target.substr(0, target.find(": ")));
  bindings[std::string(symbol)][to].insert(file_in(line.substr(from_at, to_at - from_at)));
}

Bindings bindings_of(ChildSpec spec) {
  const TemporaryDirectory directory;
  spec.environment.push_back("LD_DEBUG=bindings");
  spec.environment.push_back("LD_DEBUG_OUTPUT=" + (directory.path() / "bindings").string());
  const ChildRun run = run_child(spec);
  if (!run.succeeded()) throw std::runtime_error(run.failure());
  Bindings bindings;
  for (const auto& entry : fs::directory_iterator(directory.path())) {
    std::ifstream file(entry.path());
    std::ostringstream contents;
    contents << file.rdbuf();
    add_bindings(contents.str(), bindings);
  }
  return bindings;
}

}  // namespace

void add_bindings(std::string_view debug_output, Bindings& bindings) {
  while (!debug_output.empty()) {
    const size_t end = std::min(debug_output.find('\n'), debug_output.size());
    add_line(debug_output.substr(0, end), bindings);
    debug_output.remove_prefix(std::min(end + 1, debug_output.size()));
  }
}

std::string wrong_server(const Allocator& allocator, const std::string& function, const Bindings& bindings) {
  const auto found = bindings.find(function);
  if (found == bindings.end()) return "";
  const auto ours = found->second.find(allocator.path);
  for (const auto& [file, bound] : found->second) {
    const bool stub = ours != found->second.end() && ours->second.contains(file);
    if (file != allocator.path && !stub)
      return fmt::format("{} comes from {}, not from {}", function, file, allocator.path);
  }
  return "";
}

void verify_with_probe(const Allocator& allocator) {
  const fs::path probe = fs::read_symlink("/proc/self/exe").parent_path() / "who_serves";
  if (!fs::exists(probe)) throw std::runtime_error(fmt::format("the probe {} is not built", probe.string()));
  ChildSpec spec;
  spec.command = {probe.string()};
  spec.keep_output = true;
  spec.timeout = std::chrono::seconds(20);
  if (const std::string preload = preload_variable(allocator); !preload.empty()) spec.environment = {preload};
  const ChildRun run = run_child(spec);
  if (!run.succeeded())
    throw std::runtime_error(fmt::format("probe under {}: {}", allocator.name, run.failure()));
  Bindings bindings;
  std::istringstream lines(run.output);
  for (std::string function, file; std::getline(lines, function, '\t') && std::getline(lines, file);) {
    bindings[function][canonical(file)].insert(probe.string());
  }
  if (allocator.path.empty()) return;
  for (const std::string_view function : kFamily) {
    const std::string wrong = wrong_server(allocator, std::string(function), bindings);
    if (wrong.empty()) continue;
    if (function != "malloc_usable_size")
      throw std::runtime_error(fmt::format("{}: {}", allocator.name, wrong));
    fmt::print(stderr, "race: {}: {}: programs that call it will crash\n", allocator.name, wrong);
  }
}

void verify_program(const Allocator& allocator, ChildSpec spec) {
  if (allocator.path.empty()) return;
  const std::string name = spec.command.front();
  Bindings bindings;
  try {
    bindings = bindings_of(std::move(spec));
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(fmt::format("{} under {}: {}", name, allocator.name, error.what()));
  }
  if (!bindings.contains("malloc") && !bindings.contains("free")) {
    throw std::runtime_error(fmt::format(
        "{} under {}: binds no malloc: is it linked statically? (--no-verify runs it nevertheless)", name,
        allocator.name));
  }
  for (const std::string_view function : kFamily) {
    const std::string wrong = wrong_server(allocator, std::string(function), bindings);
    if (!wrong.empty()) throw std::runtime_error(fmt::format("{} under {}: {}", name, allocator.name, wrong));
  }
}

}  // namespace ashlar::bench
