// Small files as text and numbers. See tree.h.
#include "doctor/tree.h"

#include <charconv>
#include <fstream>
#include <sstream>

namespace ashlar_command {

std::optional<std::string> Tree::read(std::string_view path) const {
  const std::ifstream file(real(path), std::ios::binary);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::optional<std::uint64_t> Tree::number(std::string_view path) const {
  const std::optional<std::string> text = read(path);
  return text ? leading_number(*text) : std::nullopt;
}

std::optional<std::uint64_t> leading_number(std::string_view text) {
  const std::size_t start = text.find_first_not_of(" \t");
  if (start == std::string_view::npos) return std::nullopt;
  text.remove_prefix(start);
  std::uint64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  return result.ec == std::errc{} ? std::optional(value) : std::nullopt;
}

std::optional<std::string> line_after(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.starts_with(key)) return std::string(line.substr(key.size()));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return std::nullopt;
}

}  // namespace ashlar_command
