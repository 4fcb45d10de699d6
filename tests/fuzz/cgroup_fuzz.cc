// The memory that the process may have (os::memory_size) for any /proc/self/cgroup, beside a second reading
// of it: the lowest limit of the groups that it names and of those above them. Where the files of limits hold
// any text too, the answer is at most the RAM, and nobody reads beyond them.
#include <algorithm>
#include <array>
#include <map>
#include <string>

#include "bytes.h"
#include "core_state.h"
#include "fakes/faulty_sys.h"
#include "os/system.h"
#include "target.h"

namespace ashlar::os {
namespace {

constexpr size_t kRam = size_t{16} << 30;
constexpr size_t kMostText = 4095;  // what is read of /proc/self/cgroup

// The groups there are, by the path of their limit.
const std::array<std::string, 5> kFiles = {
    "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/a/memory.max", "/sys/fs/cgroup/a/b/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/a/memory.limit_in_bytes"};

using Limits = std::map<std::string, size_t>;

// `path` is a group's below `mount`: it and all above it, up to the root.
size_t lowest(const std::string& mount, std::string path, const std::string& file, const Limits& limits) {
  size_t found = SIZE_MAX;
  for (bool root = false; !root;) {
    path.erase(path.find_last_not_of('/') + 1);
    root = path.empty();
    const auto limit = limits.find(std::string(mount).append(path).append("/").append(file));
    if (limit != limits.end()) found = std::min(found, limit->second);
    if (!root) path.erase(path.find_last_of('/') + 1);
  }
  return found;
}

// HIERARCHY:CONTROLLERS:PATH
size_t limit_of_line(const std::string& line, const Limits& limits) {
  const size_t first = line.find(':');
  const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
  if (second == std::string::npos) return SIZE_MAX;
  const std::string controllers = line.substr(first + 1, second - first - 1);
  const std::string path = line.substr(second + 1);
  if (controllers.empty()) return lowest("/sys/fs/cgroup", path, "memory.max", limits);
  if (controllers == "memory") return lowest("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes", limits);
  return SIZE_MAX;
}

size_t expected(const std::string& text, const Limits& limits) {
  if (text.empty()) return lowest("/sys/fs/cgroup", "", "memory.max", limits);
  size_t found = SIZE_MAX;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    found = std::min(found, limit_of_line(text.substr(at, end - at), limits));
    at = end + 1;
  }
  return found;
}

void run(fuzz::Bytes& bytes) {
  const bool any_text = bytes.one_in(4);
  Limits limits;
  std::array<std::string, kFiles.size()> texts;
  for (size_t i = 0; i < kFiles.size(); ++i) {
    const size_t kind = bytes.below(4);
    if (kind == 0) continue;  // no such group
    if (kind == 1) {
      texts[i] = "max\n";
    } else if (any_text) {
      for (size_t length = bytes.below(40); length > 0; --length)
        texts[i].push_back(static_cast<char>(bytes.byte()));
    } else {
      limits[kFiles[i]] = bytes.size_up_to(2 * kRam);
      texts[i] = std::to_string(limits[kFiles[i]]) + "\n";
    }
    fakes::set_file(kFiles[i].c_str(), texts[i].c_str());
  }
  std::string text(bytes.rest().substr(0, kMostText));
  text = text.substr(0, text.find('\0'));
  fakes::set_file("/proc/self/cgroup", text.c_str());
  const size_t size = memory_size();
  ASSERT_LE(size, kRam);
  if (!any_text) {
    ASSERT_EQ(size, std::min(kRam, expected(text, limits))) << text;
  }
}

}  // namespace
}  // namespace ashlar::os

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return ashlar::fuzz::run_on_fresh_core(data, size, ashlar::os::run);
}
