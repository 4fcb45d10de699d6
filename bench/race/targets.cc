// The table of targets and its application: see targets.h.
#include "race/targets.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <span>

namespace ashlar::bench {

namespace {

enum class Against { kBestOther, kGlibc };

struct Target {
  std::string_view rows;  // prefix of the names
  std::string_view metric;
  Against against;
  double limit;
};

// The first prefix that fits a row decides, with all entries that have the same prefix.
constexpr std::array kTargets = {
    Target{"pairs/", kTime, Against::kBestOther, 1.02},
    Target{"pairs/", kPeak, Against::kBestOther, 1.02},
    Target{"batch/", kTime, Against::kBestOther, 1.02},
    Target{"batch/", kPeak, Against::kBestOther, 1.02},
    Target{"replace/", kTime, Against::kBestOther, 1.02},
    Target{"replace/", kPeak, Against::kBestOther, 1.02},
    Target{"realloc/", kTime, Against::kGlibc, 3.0},
    Target{"phase_shift", kTime, Against::kBestOther, 1.1},
    Target{"phase_shift", "rss_over_live", Against::kGlibc, 1.0},
    Target{"", kTime, Against::kBestOther, 1.1},
};

std::vector<Target> targets_of(std::string_view row) {
  std::vector<Target> found;
  for (const Target& target : kTargets) {
    if (row.starts_with(target.rows) && (found.empty() || found.front().rows == target.rows)) {
      found.push_back(target);
    }
  }
  return found;
}

const char* name_of(Against against) { return against == Against::kGlibc ? "glibc" : "best"; }

double ratio_of(const RaceResult& result, std::span<const double> medians, size_t judged, Against against) {
  if (against == Against::kBestOther) return ratio_to_best_other(medians, judged);
  const auto glibc = try_find_allocator(result.allocators, "glibc");
  return glibc ? medians[judged] / medians[*glibc] : std::nan("");
}

}  // namespace

std::vector<Check> check_row(const RaceResult& result, const Row& row, size_t judged) {
  std::vector<Check> checks;
  for (const Target& target : targets_of(row.name)) {
    const std::string metric(target.metric);
    const double ratio = ratio_of(result, row.medians(metric), judged, target.against);
    if (std::isnan(ratio)) continue;
    checks.push_back({.row = row.name,
                      .metric = metric,
                      .against = name_of(target.against),
                      .ratio = ratio,
                      .limit = target.limit,
                      .met = ratio <= target.limit});
  }
  return checks;
}

std::string target_text(std::string_view row, std::string_view metric) {
  for (const Target& target : targets_of(row)) {
    if (target.metric == metric) return fmt::format("{:.2f} {}", target.limit, name_of(target.against));
  }
  return "";
}

}  // namespace ashlar::bench
