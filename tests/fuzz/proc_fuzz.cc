// The readers of /proc and /sys in `ashlar doctor` with any text (a process can choose the names of its
// mappings, its environment and its cgroup): maps beside a second parser, limits, environment, cgroup,
// numbers.
#include <cctype>
#include <cstdlib>
#include <sstream>
#include <string>
#include <string_view>

#include "doctor/process_facts.h"
#include "doctor/tree.h"
#include "human_bytes.h"
#include "maps.h"
#include "target.h"

namespace ashlar_command {
namespace {

__extension__ typedef unsigned __int128 Wide;

bool is_hex(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }

// Digits of base 16 at the start of the text, in 64 bits; 0 if there are none or too many.
std::uint64_t hex_in(const std::string& text, std::size_t* length) {
  *length = 0;
  Wide value = 0;
  bool fits = true;
  while (*length < text.size() && is_hex(text[*length])) {
    value = value * 16 + static_cast<unsigned>(std::stoi(text.substr((*length)++, 1), nullptr, 16));
    fits = fits && value >> 64 == 0;
    if (!fits) value = 0;
  }
  return fits ? static_cast<std::uint64_t>(value) : 0;
}

void check_maps(const std::string& text) {
  const std::vector<Mapping> found = mappings(text);
  std::istringstream lines(text);
  std::size_t at = 0;
  for (std::string line; std::getline(lines, line); ++at) {
    ASSERT_LT(at, found.size());
    std::size_t length = 0;
    std::size_t end_length = 0;
    const std::uint64_t start = hex_in(line, &length);
    std::uint64_t end = 0;
    if (length > 0 && length < line.size() && line[length] == '-')
      end = hex_in(line.substr(length + 1), &end_length);
    ASSERT_EQ(found[at].start, start) << line;
    if (start != 0) {
      ASSERT_EQ(found[at].end, end) << line;
    }
    const std::size_t slash = line.find('/');
    ASSERT_EQ(found[at].path, slash == std::string::npos ? "" : line.substr(slash));
  }
  ASSERT_EQ(at, found.size());
  const std::vector<std::string> files = mapped_files(text);
  for (const std::string& file : files)
    ASSERT_EQ(std::count(files.begin(), files.end(), file), 1);
  ASSERT_LE(other_allocators(files).size(), files.size());
}

void check_environment(const std::string& text) {
  for (const auto& [name, value] : parse_environment(text)) {
    ASSERT_EQ(name.find('='), std::string::npos);
    ASSERT_NE(text.find(std::string(name).append("=").append(value)), std::string::npos);
  }
}

// In a tree of its own, in which no group is: whatever path the text names.
void check_cgroup(const std::string& text) {
  ASSERT_FALSE(memory_limit(Tree("/nonexistent"), text).has_value());
}

void check_numbers(const std::string& text) {
  const std::optional<std::uint64_t> number = leading_number(text);
  const std::size_t first = std::min(text.find_first_not_of(" \t"), text.size());
  const bool digit = first < text.size() && std::isdigit(static_cast<unsigned char>(text[first])) != 0;
  if (!digit) {
    ASSERT_FALSE(number.has_value());
  } else if (number) {
    ASSERT_EQ(*number, std::strtoull(text.c_str() + first, nullptr, 10));
    static_cast<void>(human_bytes(*number));
  }
  const std::optional<std::string> line = line_after(text, "Max");
  if (line) {
    ASSERT_NE(text.find("Max" + *line), std::string::npos);
  }
}

}  // namespace
}  // namespace ashlar_command

// The first byte says which file it is.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ashlar_command;
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 5) {
    case 0:
      check_maps(text);
      break;
    case 1:
      check_environment(text);
      break;
    case 2:
      check_cgroup(text);
      break;
    case 3:
      static_cast<void>(parse_limits(text));
      break;
    default:
      check_numbers(text);
  }
  return 0;
}
