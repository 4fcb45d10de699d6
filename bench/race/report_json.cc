// A race's result as JSON: every sample with its summary, and the targets. See report.h.
#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "race/report.h"
#include "race/targets.h"

namespace ashlar::bench {

namespace {

using Json = nlohmann::json;

Json machine() {
  utsname system{};
  uname(&system);
  return {{"architecture", system.machine},
          {"kernel", system.release},
          {"processors", sysconf(_SC_NPROCESSORS_ONLN)}};
}

Json series_json(const Series& series) {
  Json metrics = Json::object();
  for (const auto& [metric, samples] : series.samples) {
    const Summary summary = series.summary(metric);
    metrics[metric] = {{"median", summary.median},
                       {"lower_quartile", summary.lower_quartile},
                       {"upper_quartile", summary.upper_quartile},
                       {"lowest", summary.lowest},
                       {"highest", summary.highest},
                       {"samples", samples}};
  }
  if (!series.failure.empty()) metrics["failure"] = series.failure;
  return metrics;
}

Json row_json(const RaceResult& result, const Row& row, std::optional<size_t> judged) {
  Json json = {{"name", row.name}, {"allocators", Json::object()}, {"targets", Json::array()}};
  for (size_t i = 0; i < result.allocators.size(); ++i) {
    json["allocators"][result.allocators[i].name] = series_json(row.by_allocator[i]);
  }
  if (!judged) return json;
  for (const Check& check : check_row(result, row, *judged)) {
    json["targets"].push_back({{"metric", check.metric},
                               {"against", check.against},
                               {"ratio", check.ratio},
                               {"limit", check.limit},
                               {"met", check.met}});
  }
  return json;
}

}  // namespace

void write_json(const RaceResult& result, std::optional<size_t> judged, const std::string& path) {
  Json json = {
      {"machine", machine()},         {"rounds", result.rounds},
      {"seed", result.seed},          {"judged", judged ? Json(result.allocators[*judged].name) : Json()},
      {"allocators", Json::object()}, {"rows", Json::array()}};
  for (const Allocator& allocator : result.allocators)
    json["allocators"][allocator.name] = allocator.path;
  for (const Row& row : result.rows)
    json["rows"].push_back(row_json(result, row, judged));
  std::ofstream file(path);
  file << json.dump(1) << "\n";
  file.flush();
  if (!file) throw std::runtime_error(fmt::format("{}: {}", path, strerror(errno)));
}

}  // namespace ashlar::bench
