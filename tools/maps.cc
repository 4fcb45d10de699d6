// /proc/PID/maps. See maps.h.
#include "maps.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

#include "file_name.h"

namespace ashlar_command {

std::string read_maps(pid_t pid) {
  const std::ifstream file(fmt::format("/proc/{}/maps", pid));
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<Mapping> mappings(std::string_view maps) {
  std::vector<Mapping> found;
  while (!maps.empty()) {
    const std::size_t end = std::min(maps.find('\n'), maps.size());
    const std::string_view line = maps.substr(0, end);
    Mapping mapping;
    const char* const last = line.data() + line.size();
    const auto start = std::from_chars(line.data(), last, mapping.start, 16);
    if (start.ec == std::errc{} && start.ptr != last && *start.ptr == '-') {
      std::from_chars(start.ptr + 1, last, mapping.end, 16);
    }
    // No field before the path holds a slash, but the path may hold blanks.
    if (const std::size_t slash = line.find('/'); slash != std::string_view::npos) {
      mapping.path = line.substr(slash);
    }
    found.push_back(std::move(mapping));
    maps.remove_prefix(std::min(end + 1, maps.size()));
  }
  return found;
}

std::vector<std::string> mapped_files(std::string_view maps) {
  std::vector<std::string> files;
  for (Mapping& mapping : mappings(maps)) {
    if (mapping.path.empty() || std::find(files.begin(), files.end(), mapping.path) != files.end()) continue;
    files.push_back(std::move(mapping.path));
  }
  return files;
}

bool maps_file(const std::vector<std::string>& files, std::string_view name_start) {
  return std::any_of(files.begin(), files.end(),
                     [&](const std::string& file) { return file_name(file).starts_with(name_start); });
}

std::vector<std::string> other_allocators(const std::vector<std::string>& files) {
  static constexpr std::string_view kKnown[] = {
      "libjemalloc",  "libmimalloc",        "libtcmalloc", "libasan",  "libtsan", "libhwasan",
      "liblsan",      "libsnmalloc",        "librpmalloc", "libscudo", "libmesh", "libhoard",
      "libtbbmalloc", "libhardened_malloc",
  };
  std::vector<std::string> found;
  for (const std::string& file : files) {
    const std::string_view name = file_name(file);
    if (std::any_of(std::begin(kKnown), std::end(kKnown),
                    [&](auto start) { return name.starts_with(start); })) {
      found.push_back(file);
    }
  }
  return found;
}

}  // namespace ashlar_command
