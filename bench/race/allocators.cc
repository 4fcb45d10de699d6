// Parsing of --allocator and the value of LD_PRELOAD: see allocators.h.
#include "race/allocators.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

namespace ashlar::bench {

namespace {

// Where the dynamic loader found libc, asked through a function that only glibc has.
std::string path_of_glibc() {
  void* const function = dlsym(RTLD_DEFAULT, "gnu_get_libc_version");
  Dl_info info;
  if (function == nullptr || dladdr(function, &info) == 0 || info.dli_fname == nullptr) {
    throw std::runtime_error("cannot find this process's glibc; give --allocator glibc=PATH");
  }
  return info.dli_fname;
}

std::string checked_library(const std::string& name, const std::string& path) {
  std::error_code error;
  const std::filesystem::path full = std::filesystem::canonical(path, error);
  if (error) throw std::runtime_error(fmt::format("allocator {}: {}: {}", name, path, error.message()));
  if (!std::filesystem::is_regular_file(full)) {
    throw std::runtime_error(fmt::format("allocator {}: {} is not a file", name, path));
  }
  if (full.string().find_first_of(" :") != std::string::npos) {
    throw std::runtime_error(fmt::format("allocator {}: LD_PRELOAD takes no space or colon: {}", name, path));
  }
  return full.string();
}

}  // namespace

Allocator parse_allocator(std::string_view text) {
  const size_t equals = text.find('=');
  Allocator allocator{.name = std::string(text.substr(0, equals)), .path = ""};
  if (allocator.name.empty()) throw std::runtime_error(fmt::format("--allocator {}: no name", text));
  if (equals == std::string_view::npos) {
    if (allocator.name != "glibc") {
      throw std::runtime_error(
          fmt::format("--allocator {0}: only glibc goes without a path; write {0}=PATH", text));
    }
    allocator.path = path_of_glibc();
  } else {
    allocator.path = text.substr(equals + 1);
  }
  if (!allocator.path.empty()) allocator.path = checked_library(allocator.name, allocator.path);
  return allocator;
}

std::vector<Allocator> parse_allocators(const std::vector<std::string>& texts) {
  std::vector<Allocator> allocators;
  for (const std::string& text : texts) {
    Allocator parsed = parse_allocator(text);
    if (try_find_allocator(allocators, parsed.name)) {
      throw std::runtime_error(fmt::format("--allocator {}: the name comes twice", parsed.name));
    }
    allocators.push_back(std::move(parsed));
  }
  if (allocators.empty()) throw std::runtime_error("no allocator: give --allocator NAME=PATH, or glibc");
  return allocators;
}

std::optional<size_t> try_find_allocator(const std::vector<Allocator>& allocators, std::string_view name) {
  for (size_t i = 0; i < allocators.size(); ++i) {
    if (allocators[i].name == name) return i;
  }
  return std::nullopt;
}

size_t find_allocator(const std::vector<Allocator>& allocators, std::string_view name,
                      std::string_view what) {
  if (const auto index = try_find_allocator(allocators, name)) return *index;
  std::string known;
  for (const Allocator& allocator : allocators)
    known += " " + allocator.name;
  throw std::runtime_error(fmt::format("{} {}: no such allocator; there are:{}", what, name, known));
}

std::string preload_variable(const Allocator& allocator) {
  const char* const inherited = getenv("LD_PRELOAD");
  const std::string before = inherited != nullptr ? inherited : "";
  if (allocator.path.empty()) return before.empty() ? "" : "LD_PRELOAD=" + before;
  return "LD_PRELOAD=" + (before.empty() ? "" : before + ":") + allocator.path;
}

}  // namespace ashlar::bench
