// Alignment and formats: see table.h.
#include "race/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace ashlar::bench {

namespace {

constexpr const char* kNoNumber = "-";

// Characters, not bytes: the only others than ASCII are two-byte ones as "±".
size_t width_of(const std::string& text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// At least three significant digits, no exponent.
std::string three_digits(double number) {
  const double size = std::fabs(number);
  const int decimals = size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return fmt::format("{:.{}f}", number, decimals);
}

}  // namespace

Table::Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }

void Table::add_row(std::vector<std::string> cells) {
  cells.resize(rows_.front().size());
  rows_.push_back(std::move(cells));
}

std::string Table::text() const {
  std::vector<size_t> widths(rows_.front().size(), 0);
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - width_of(row[i]), ' ');
      line += i == 0 ? row[i] + padding : "  " + padding + row[i];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string format_ns(double ns) {
  if (!std::isfinite(ns)) return kNoNumber;
  constexpr std::array<const char*, 4> kUnits = {"ns", "us", "ms", "s"};
  size_t unit = 0;
  while (ns >= 1000 && unit + 1 < kUnits.size()) {
    ns /= 1000;
    ++unit;
  }
  return three_digits(ns) + " " + kUnits[unit];
}

std::string format_mib(double mib) { return std::isfinite(mib) ? three_digits(mib) + " MiB" : kNoNumber; }

std::string format_ratio(double ratio) {
  return std::isfinite(ratio) ? fmt::format("{:.2f}", ratio) : kNoNumber;
}

std::string format_spread(double share) {
  return std::isfinite(share) ? fmt::format("±{:.0f}%", share * 100) : kNoNumber;
}

std::string format_number(double number) { return std::isfinite(number) ? three_digits(number) : kNoNumber; }

}  // namespace ashlar::bench
