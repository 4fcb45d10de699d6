// /proc/PID/*. See process_facts.h.
#include "doctor/process_facts.h"

#include <elf.h>

#include <cstring>
#include <filesystem>
#include <system_error>

namespace ashlar_command {
namespace {

constexpr std::string_view kCgroupRoot = "/sys/fs/cgroup";
// Version 1 says "no limit" by a number near the largest: LONG_MAX rounded down to pages.
constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 62;

std::optional<std::uint64_t> soft_limit(std::string_view text, std::string_view name) {
  const std::optional<std::string> line = line_after(text, name);
  return line ? leading_number(*line) : std::nullopt;  // "unlimited" is no number
}

std::uint64_t kibibytes(std::string_view status, std::string_view key) {
  const std::optional<std::string> line = line_after(status, key);
  return line ? leading_number(*line).value_or(0) * 1024 : 0;
}

void parse_auxiliary_vector(std::string_view bytes, ProcessFacts& facts) {
  for (; bytes.size() >= sizeof(Elf64_auxv_t); bytes.remove_prefix(sizeof(Elf64_auxv_t))) {
    Elf64_auxv_t entry{};
    std::memcpy(&entry, bytes.data(), sizeof(entry));
    if (entry.a_type == AT_PAGESZ) facts.page_size = entry.a_un.a_val;
    if (entry.a_type == AT_ENTRY) facts.entry = entry.a_un.a_val;
    if (entry.a_type == AT_SECURE) facts.secure = entry.a_un.a_val != 0;
  }
}

struct CgroupFiles {
  std::string directory;  // of the controller's root
  const char* limit;
  const char* usage;
  const char* idle_cache;  // key in memory.stat of page cache that is given up first
};

std::uint64_t used_by(const Tree& tree, const CgroupFiles& files, const std::string& group) {
  const std::uint64_t usage = tree.number(group + files.usage).value_or(0);
  const std::string statistics = tree.read(group + "/memory.stat").value_or("");
  const std::uint64_t cache =
      leading_number(line_after(statistics, files.idle_cache).value_or("")).value_or(0);
  return usage > cache ? usage - cache : 0;
}

/// The lowest limit of the group and those above it.
void take_lowest(const Tree& tree, const CgroupFiles& files, std::string path,
                 std::optional<CgroupLimit>& lowest) {
  while (true) {
    if (path == "/") path.clear();
    const std::string group = files.directory + path;
    const std::optional<std::uint64_t> limit = tree.number(group + files.limit);
    if (limit && *limit < kNoLimit && (!lowest || *limit < lowest->bytes)) {
      lowest = CgroupLimit{*limit, used_by(tree, files, group), group + files.limit};
    }
    if (path.empty()) return;
    path.erase(path.find_last_of('/'));
  }
}

}  // namespace

Limits parse_limits(std::string_view text) {
  Limits limits;
  limits.known = text.find("Max address space") != std::string_view::npos;
  limits.address_space = soft_limit(text, "Max address space");
  limits.data = soft_limit(text, "Max data size");
  limits.locked = soft_limit(text, "Max locked memory");
  limits.stack = soft_limit(text, "Max stack size");
  return limits;
}

Environment parse_environment(std::string_view text) {
  Environment environment;
  while (!text.empty()) {
    const std::string_view entry = text.substr(0, text.find('\0'));
    // getenv(3) finds the first of two entries of one name.
    if (const std::size_t equals = entry.find('='); equals != std::string_view::npos) {
      environment.emplace(entry.substr(0, equals), entry.substr(equals + 1));
    }
    text.remove_prefix(std::min(entry.size() + 1, text.size()));
  }
  return environment;
}

ProcessFacts read_process(const Tree& tree, const std::string& who) {
  const std::string directory = "/proc/" + who;
  ProcessFacts facts;
  std::error_code error;
  facts.program = std::filesystem::read_symlink(tree.real(directory + "/exe"), error).string();
  const std::optional<std::string> maps = tree.read(directory + "/maps");
  const std::optional<std::string> auxiliary = tree.read(directory + "/auxv");
  // The kernel opens these files for everybody, but gives strangers nothing to read.
  facts.readable = maps && auxiliary && !maps->empty() && !auxiliary->empty();
  facts.maps = maps.value_or("");
  parse_auxiliary_vector(auxiliary.value_or(""), facts);
  facts.environment = parse_environment(tree.read(directory + "/environ").value_or(""));
  facts.limits = parse_limits(tree.read(directory + "/limits").value_or(""));
  facts.cgroup = tree.read(directory + "/cgroup").value_or("");
  const std::string status = tree.read(directory + "/status").value_or("");
  const std::string name = line_after(status, "Name:").value_or("");
  facts.name = name.substr(std::min(name.find_first_not_of(" \t"), name.size()));
  facts.locked_bytes = kibibytes(status, "VmLck:");
  facts.data_bytes = kibibytes(status, "VmData:");
  facts.address_bytes = kibibytes(status, "VmSize:");
  const std::optional<std::string> huge_pages = line_after(status, "THP_enabled:");
  facts.huge_pages_off = huge_pages && leading_number(*huge_pages) == std::uint64_t{0};
  return facts;
}

std::optional<CgroupLimit> memory_limit(const Tree& tree, std::string_view cgroup) {
  const CgroupFiles unified{std::string(kCgroupRoot), "/memory.max", "/memory.current", "inactive_file "};
  const CgroupFiles legacy{std::string(kCgroupRoot) + "/memory", "/memory.limit_in_bytes",
                           "/memory.usage_in_bytes", "total_inactive_file "};
  std::string unified_path;
  std::string legacy_path;
  while (!cgroup.empty()) {  // "HIERARCHY:CONTROLLERS:PATH"
    const std::string_view line = cgroup.substr(0, cgroup.find('\n'));
    cgroup.remove_prefix(std::min(line.size() + 1, cgroup.size()));
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::string controllers = "," + std::string(line.substr(first + 1, second - first - 1)) + ",";
    const std::string_view path = line.substr(second + 1);
    if (!path.starts_with('/')) continue;
    if (controllers == ",,") unified_path = path;
    if (controllers.find(",memory,") != std::string::npos) legacy_path = path;
  }
  std::optional<CgroupLimit> lowest;
  take_lowest(tree, unified, unified_path, lowest);
  take_lowest(tree, legacy, legacy_path, lowest);
  return lowest;
}

}  // namespace ashlar_command
