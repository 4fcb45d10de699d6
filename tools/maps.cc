// /proc/PID/maps. See maps.h.
#include "maps.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace ashlar_command {
namespace {

std::string_view base_name(std::string_view path) { return path.substr(path.find_last_of('/') + 1); }

}  // namespace

std::string read_maps(pid_t pid) {
  const std::ifstream file(fmt::format("/proc/{}/maps", pid));
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> mapped_files(std::string_view maps) {
  std::vector<std::string> files;
  while (!maps.empty()) {
    const std::size_t end = std::min(maps.find('\n'), maps.size());
    const std::string_view line = maps.substr(0, end);
    // No field before the path holds a slash, but the path may hold blanks.
    if (const std::size_t slash = line.find('/'); slash != std::string_view::npos) {
      std::string file(line.substr(slash));
      if (std::find(files.begin(), files.end(), file) == files.end()) files.push_back(std::move(file));
    }
    maps.remove_prefix(std::min(end + 1, maps.size()));
  }
  return files;
}

bool maps_file(const std::vector<std::string>& files, std::string_view name_start) {
  return std::any_of(files.begin(), files.end(),
                     [&](const std::string& file) { return base_name(file).starts_with(name_start); });
}

std::vector<std::string> other_allocators(const std::vector<std::string>& files) {
  static constexpr std::string_view kKnown[] = {
      "libjemalloc",  "libmimalloc",        "libtcmalloc", "libasan",  "libtsan", "libhwasan",
      "liblsan",      "libsnmalloc",        "librpmalloc", "libscudo", "libmesh", "libhoard",
      "libtbbmalloc", "libhardened_malloc",
  };
  std::vector<std::string> found;
  for (const std::string& file : files) {
    const std::string_view name = base_name(file);
    if (std::any_of(std::begin(kKnown), std::end(kKnown),
                    [&](auto start) { return name.starts_with(start); })) {
      found.push_back(file);
    }
  }
  return found;
}

}  // namespace ashlar_command
