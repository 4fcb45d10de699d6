// What the judged allocator is held to, by class of row.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "race/result.h"

namespace ashlar::bench {

struct Check {
  std::string row;
  std::string metric;
  std::string against;  // "best" of the others, or "glibc"
  double ratio = 0;
  double limit = 0;
  bool met = false;
};

// Every target of the row; a target whose figures are missing is not checked.
std::vector<Check> check_row(const RaceResult& result, const Row& row, size_t judged);

// The limit of one metric of a row, as text for a table: "1.02 best". Empty: none.
std::string target_text(std::string_view row, std::string_view metric);

}  // namespace ashlar::bench
