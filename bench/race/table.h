// A text table with aligned columns, and numbers as people read them. Knows nothing of races.
#pragma once

#include <string>
#include <vector>

namespace ashlar::bench {

class Table {
 public:
  // The first column is aligned left, all others right.
  explicit Table(std::vector<std::string> header);

  // Missing cells are empty.
  void add_row(std::vector<std::string> cells);

  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

std::string format_ns(double ns);          // "3.14 ns", "12.0 us", "1.53 s"
std::string format_mib(double mib);        // "4.21 MiB"
std::string format_ratio(double ratio);    // "1.02"
std::string format_spread(double share);   // "±3%"
std::string format_number(double number);  // three significant digits

}  // namespace ashlar::bench
