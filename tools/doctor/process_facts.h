// What /proc tells of one process: limits, environment, cgroup, auxiliary vector.
//
// Reads, judges nothing. What the process is not allowed to show is left empty.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "doctor/tree.h"

namespace ashlar_command {

using Environment = std::map<std::string, std::string>;

/// The soft limits that concern an allocator; nothing: unlimited. Bytes.
struct Limits {
  bool known = false;
  std::optional<std::uint64_t> address_space;
  std::optional<std::uint64_t> data;
  std::optional<std::uint64_t> locked;
  std::optional<std::uint64_t> stack;
};

/// Parses /proc/PID/limits.
Limits parse_limits(std::string_view text);

/// Parses /proc/PID/environ: NAME=VALUE, each with a NUL behind it.
Environment parse_environment(std::string_view text);

struct ProcessFacts {
  bool readable = false;  // maps, environ and auxv could be read: the caller may look into the process
  std::string program;    // of /proc/PID/exe, empty when it cannot be read
  std::string name;       // as ps(1) shows it: of /proc/PID/status
  std::string maps;
  Environment environment;  // as it was when the program started
  Limits limits;
  std::string cgroup;  // the text of /proc/PID/cgroup
  std::uint64_t page_size = 0;
  std::uint64_t entry = 0;          // AT_ENTRY
  bool secure = false;              // AT_SECURE: started with more rights than its caller
  std::uint64_t locked_bytes = 0;   // VmLck
  std::uint64_t data_bytes = 0;     // VmData: what counts against RLIMIT_DATA, about
  std::uint64_t address_bytes = 0;  // VmSize: what counts against RLIMIT_AS
  bool huge_pages_off = false;      // PR_SET_THP_DISABLE
};

/// Reads what can be read of /proc/`who` ("self" or a process's number).
ProcessFacts read_process(const Tree& tree, const std::string& who);

/// The memory limit of a cgroup, or of one of those above it, whichever is lowest.
struct CgroupLimit {
  std::uint64_t bytes = 0;
  std::uint64_t used = 0;  // without the page cache that is given up first
  std::string file;        // that says so
};

/// Looks up the groups that /proc/PID/cgroup names, in version 2 and 1 of the interface. A path that is not
/// below /sys/fs/cgroup (in a container) counts as its root.
std::optional<CgroupLimit> memory_limit(const Tree& tree, std::string_view cgroup);

}  // namespace ashlar_command
