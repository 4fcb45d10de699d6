// Medians, quartiles, ratios: see statistics.h.
#include "race/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ashlar::bench {

namespace {
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
}

double Summary::spread() const { return (upper_quartile - lower_quartile) / 2 / median; }

double quantile(std::vector<double> samples, double q) {
  if (samples.empty()) return kNone;
  std::sort(samples.begin(), samples.end());
  const double place = q * static_cast<double>(samples.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, samples.size() - 1);
  return std::lerp(samples[below], samples[above], place - std::floor(place));
}

Summary summarize(std::span<const double> samples) {
  const std::vector<double> copy(samples.begin(), samples.end());
  return {.count = copy.size(),
          .median = quantile(copy, 0.5),
          .lower_quartile = quantile(copy, 0.25),
          .upper_quartile = quantile(copy, 0.75),
          .lowest = quantile(copy, 0),
          .highest = quantile(copy, 1)};
}

double ratio_to_best_other(std::span<const double> values, size_t index) {
  double best = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < values.size(); ++i) {
    if (i != index && values[i] < best) best = values[i];
  }
  return std::isfinite(best) ? values[index] / best : kNone;
}

double geometric_mean(std::span<const double> values) {
  double sum = 0;
  size_t count = 0;
  for (const double value : values) {
    if (!std::isfinite(value) || value <= 0) continue;
    sum += std::log(value);
    ++count;
  }
  return count > 0 ? std::exp(sum / static_cast<double>(count)) : kNone;
}

}  // namespace ashlar::bench
