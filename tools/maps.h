// What is mapped in a running program: read from /proc/PID/maps, for explaining what was found.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ashlar_command {

/// The text of /proc/PID/maps, empty when it cannot be read (the process is gone).
std::string read_maps(pid_t pid);

/// One line of the text.
struct Mapping {
  std::uint64_t start = 0;  // addresses; `end` is the first that is no longer mapped
  std::uint64_t end = 0;
  std::string path;  // empty: no file
};
std::vector<Mapping> mappings(std::string_view maps);

/// The files mapped, each once, in order of address.
std::vector<std::string> mapped_files(std::string_view maps);

/// Whether a file with this beginning of its name is mapped.
bool maps_file(const std::vector<std::string>& files, std::string_view name_start);

/// Those of the files that are known as allocators or bring one (jemalloc, mimalloc, sanitizers, …),
/// Ashlar apart.
std::vector<std::string> other_allocators(const std::vector<std::string>& files);

}  // namespace ashlar_command
