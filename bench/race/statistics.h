// The few statistics that a race needs. Pure functions; no sample, no number: they answer NaN, which
// tables print as a dash and JSON as null.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace ashlar::bench {

struct Summary {
  size_t count = 0;
  double median = 0;
  double lower_quartile = 0;
  double upper_quartile = 0;
  double lowest = 0;
  double highest = 0;

  // Half the interquartile range as a share of the median: half of all samples lie within ± that.
  double spread() const;
};

// The value below which a share `q` of the samples lies, linear between neighbours (type 7 of
// Hyndman and Fan, "Sample Quantiles in Statistical Packages", 1996).
double quantile(std::vector<double> samples, double q);

Summary summarize(std::span<const double> samples);

// values[index] over the lowest of all others: below 1, it leads by that much. NaN without others.
double ratio_to_best_other(std::span<const double> values, size_t index);

// Of the positive finite values; NaN when there is none.
double geometric_mean(std::span<const double> values);

}  // namespace ashlar::bench
