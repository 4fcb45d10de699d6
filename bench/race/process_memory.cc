// Reads statm, task/*/children and maps: see process_memory.h.
#include "race/process_memory.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace ashlar::bench {

size_t resident_kib_of(pid_t pid) {
  static const size_t kKibPerPage = static_cast<size_t>(sysconf(_SC_PAGESIZE)) / 1024;
  std::ifstream file(fmt::format("/proc/{}/statm", pid));
  size_t size = 0;
  size_t resident = 0;
  return file >> size >> resident ? resident * kKibPerPage : 0;
}

size_t resident_kib_of_tree(pid_t pid) {
  size_t sum = resident_kib_of(pid);
  std::error_code error;
  for (const auto& task : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid), error)) {
    std::ifstream children(task.path() / "children");
    for (pid_t child = 0; children >> child;)
      sum += resident_kib_of_tree(child);
  }
  return sum;
}

bool maps_file(pid_t pid, const std::string& path) {
  std::ifstream maps(fmt::format("/proc/{}/maps", pid));
  for (std::string line; std::getline(maps, line);) {
    if (line.ends_with(path)) return true;
  }
  return false;
}

}  // namespace ashlar::bench
