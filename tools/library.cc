// Finding the library; LD_PRELOAD and ASHLAR_CONF. See library.h.
#include "library.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <vector>

#include "file_name.h"

namespace ashlar_command {
namespace {

namespace fs = std::filesystem;

// Of LD_PRELOAD; the file /etc/ld.so.preload may have lines as well.
constexpr std::string_view kSeparators = " :\t\n";

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

/// ../lib, ../lib64, … of `directory` in alphabetical order.
std::vector<fs::path> sibling_library_directories(const fs::path& directory) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator it(directory / "..", error), end; !error && it != end; it.increment(error)) {
    if (it->path().filename().string().starts_with("lib")) found.push_back(it->path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

bool is_ashlar_name(std::string_view entry) { return file_name(entry).starts_with("libashlar.so"); }

}  // namespace

std::string find_library_near(const std::string& directory) {
  const fs::path here(directory);
  std::vector<fs::path> places = {here, here / ASHLAR_LIBRARY_FROM_BIN};
  for (fs::path& place : sibling_library_directories(here))
    places.push_back(std::move(place));
  for (const fs::path& place : places) {
    if (is_file(place / kLibraryName)) return (place / kLibraryName).lexically_normal().string();
  }
  return {};
}

std::string find_library(const std::string& wanted) {
  std::error_code error;
  if (!wanted.empty()) {
    return fs::absolute(wanted, error).lexically_normal().string();
  }
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  return error ? std::string{} : find_library_near(self.parent_path().string());
}

bool preload_can_name(std::string_view path) { return path.find_first_of(" :$") == std::string_view::npos; }

std::vector<std::string_view> preload_entries(std::string_view preload) {
  std::vector<std::string_view> entries;
  std::size_t start = preload.find_first_not_of(kSeparators);
  while (start != std::string_view::npos) {
    const std::size_t end = std::min(preload.find_first_of(kSeparators, start), preload.size());
    entries.push_back(preload.substr(start, end - start));
    start = preload.find_first_not_of(kSeparators, end);
  }
  return entries;
}

std::string_view ashlar_entry(std::string_view preload) {
  for (const std::string_view entry : preload_entries(preload)) {
    if (is_ashlar_name(entry)) return entry;
  }
  return {};
}

Preload join_preload(std::string_view existing, const std::string& library) {
  Preload preload{std::string(existing), {}};
  if (ashlar_entry(existing).empty()) {
    if (!existing.empty()) preload.value += ':';
    preload.value += library;
    return preload;
  }
  std::vector<std::string> entries;
  bool placed = false;
  for (const std::string_view entry : preload_entries(existing)) {
    if (!is_ashlar_name(entry)) {
      entries.emplace_back(entry);
      continue;
    }
    std::error_code error;
    const bool same = entry == library || fs::equivalent(entry, library, error);
    if (!same) preload.replaced.emplace_back(entry);
    if (!placed) entries.emplace_back(same ? entry : std::string_view(library));
    placed = true;
  }
  if (!preload.replaced.empty()) preload.value = fmt::format("{}", fmt::join(entries, ":"));
  return preload;
}

std::string join_conf(std::string_view existing, std::string_view added) {
  std::string joined(existing);
  if (!joined.empty() && !added.empty()) joined += ',';
  joined += added;
  return joined;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string{} : std::string(value);
}

}  // namespace ashlar_command
