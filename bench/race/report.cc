// The tables of a race: see report.h.
#include "race/report.h"

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <set>

#include "race/table.h"
#include "race/targets.h"

namespace ashlar::bench {

namespace {

using Format = std::function<std::string(double)>;

std::vector<std::string> allocator_names(const RaceResult& result) {
  std::vector<std::string> names;
  for (const Allocator& allocator : result.allocators)
    names.push_back(allocator.name);
  return names;
}

std::string name_of_lowest(const RaceResult& result, const std::vector<double>& values) {
  std::string name = "-";
  double lowest = INFINITY;
  for (size_t i = 0; i < values.size(); ++i) {
    if (!(values[i] < lowest)) continue;
    lowest = values[i];
    name = result.allocators[i].name;
  }
  return name;
}

// The judged allocator's columns: ratio, target, and a word.
void append_judgement(const RaceResult& result, const Row& row, const std::string& metric, size_t judged,
                      std::vector<std::string>& cells) {
  cells.push_back(format_ratio(ratio_to_best_other(row.medians(metric), judged)));
  cells.push_back(target_text(row.name, metric));
  cells.emplace_back();
  for (const Check& check : check_row(result, row, judged)) {
    if (check.metric == metric) cells.back() = check.met ? "ok" : fmt::format("MISS {:.2f}", check.ratio);
  }
}

std::string metric_table(const RaceResult& result, const std::string& metric, const std::string& title,
                         std::optional<size_t> judged, const Format& format) {
  std::vector<std::string> header = {title};
  for (const std::string& name : allocator_names(result))
    header.push_back(name);
  header.emplace_back("lowest");
  if (judged) {
    for (const std::string& text :
         {result.allocators[*judged].name + "/best other", std::string("target"), std::string("verdict")}) {
      header.push_back(text);
    }
  }
  Table table(header);
  for (const Row& row : result.rows) {
    std::vector<std::string> cells = {row.name};
    for (const Series& series : row.by_allocator) {
      const Summary summary = series.summary(metric);
      cells.push_back(series.failure.empty() || summary.count > 0
                          ? fmt::format("{} {:>4}", format(summary.median), format_spread(summary.spread()))
                          : "failed");
    }
    cells.push_back(name_of_lowest(result, row.medians(metric)));
    if (judged) append_judgement(result, row, metric, *judged, cells);
    table.add_row(cells);
  }
  return table.text();
}

// What only some benchmarks report, as the RSS after a phase shift.
std::string counter_table(const RaceResult& result) {
  static const std::set<std::string> kShownElsewhere = {kTime, kPeak, "growth_mib", "process_wall_ms"};
  std::vector<std::string> header = {"counter"};
  for (const std::string& name : allocator_names(result))
    header.push_back(name);
  Table table(header);
  bool any = false;
  for (const Row& row : result.rows) {
    std::set<std::string> counters;
    for (const Series& series : row.by_allocator) {
      for (const auto& [metric, samples] : series.samples) {
        if (!kShownElsewhere.contains(metric)) counters.insert(metric);
      }
    }
    for (const std::string& counter : counters) {
      std::vector<std::string> cells = {row.name + " " + counter};
      for (const double value : row.medians(counter))
        cells.push_back(format_number(value));
      table.add_row(cells);
      any = true;
    }
  }
  return any ? fmt::format("\n{}", table.text()) : "";
}

std::string failures(const RaceResult& result) {
  std::string text;
  for (const Row& row : result.rows) {
    for (size_t i = 0; i < row.by_allocator.size(); ++i) {
      const std::string& failure = row.by_allocator[i].failure;
      if (!failure.empty())
        text += fmt::format("FAILED {} under {}: {}\n", row.name, result.allocators[i].name, failure);
    }
  }
  return text;
}

std::string program_table(const RaceResult& result, const Row& row, size_t baseline) {
  const std::string against = "/" + result.allocators[baseline].name;
  Table table({row.name, "wall", "spread", "lowest", "/best other", against, "user+sys", against, "peak RSS",
               "/best other", against, "mean RSS", against});
  const auto times = row.medians(kTime);
  const auto cpus = row.medians(kCpu);
  const auto peaks = row.medians(kPeak);
  const auto means = row.medians(kMean);
  for (size_t i = 0; i < result.allocators.size(); ++i) {
    const Summary time = row.by_allocator[i].summary(kTime);
    table.add_row({result.allocators[i].name, format_ns(time.median), format_spread(time.spread()),
                   format_ns(time.lowest), format_ratio(ratio_to_best_other(times, i)),
                   format_ratio(times[i] / times[baseline]), format_ns(cpus[i]),
                   format_ratio(cpus[i] / cpus[baseline]), format_mib(peaks[i]),
                   format_ratio(ratio_to_best_other(peaks, i)), format_ratio(peaks[i] / peaks[baseline]),
                   format_mib(means[i]), format_ratio(means[i] / means[baseline])});
  }
  return table.text();
}

}  // namespace

std::string program_report(const RaceResult& result, size_t baseline) {
  std::string text;
  for (const Row& row : result.rows)
    text += program_table(result, row, baseline) + "\n";
  if (result.rows.size() > 1) text += summary_report(result);
  return text + failures(result);
}

std::string gbench_report(const RaceResult& result, std::optional<size_t> judged) {
  return metric_table(result, kTime, "time", judged, format_ns) + "\n" +
         metric_table(result, kPeak, "peak RSS", judged, format_mib) + counter_table(result) + "\n" +
         summary_report(result) + failures(result);
}

std::string matrix_report(const RaceResult& result, std::optional<size_t> judged) {
  std::string text;
  for (const char* const metric : {kTime, kPeak}) {
    const bool time = metric == std::string_view(kTime);
    text += fmt::format("| {} | best peer | its value |", time ? "time" : "peak RSS");
    std::string line = "| --- | --- | --- |";
    for (const std::string& name : allocator_names(result)) {
      text += fmt::format(" {} |", name);
      line += " --- |";
    }
    text += "\n" + line + "\n";
    std::vector<std::vector<double>> ratios(result.allocators.size());
    for (const Row& row : result.rows) {
      std::vector<double> peers = row.medians(metric);
      const std::vector<double> all = peers;
      if (judged) peers[*judged] = NAN;
      double best = NAN;
      for (const double value : peers) {
        if (std::isnan(best) || value < best) best = value;
      }
      text += fmt::format("| {} | {} | {} |", row.name, name_of_lowest(result, peers),
                          time ? format_ns(best) : format_mib(best));
      for (size_t i = 0; i < all.size(); ++i) {
        text += fmt::format(" {} |", format_ratio(all[i] / best));
        if (!std::isnan(all[i])) ratios[i].push_back(all[i] / best);
      }
      text += "\n";
    }
    text += "| geometric mean | | |";
    for (const std::vector<double>& of_one : ratios)
      text += fmt::format(" **{}** |", format_ratio(geometric_mean(of_one)));
    text += "\n\n";
  }
  return text + failures(result);
}

std::string summary_report(const RaceResult& result) {
  Table table({"geometric mean, to the best other", "time", "peak RSS"});
  for (size_t i = 0; i < result.allocators.size(); ++i) {
    std::vector<double> times;
    std::vector<double> peaks;
    for (const Row& row : result.rows) {
      times.push_back(ratio_to_best_other(row.medians(kTime), i));
      peaks.push_back(ratio_to_best_other(row.medians(kPeak), i));
    }
    table.add_row({result.allocators[i].name, format_ratio(geometric_mean(times)),
                   format_ratio(geometric_mean(peaks))});
  }
  return table.text();
}

std::string target_report(const RaceResult& result, size_t judged, size_t& missed) {
  size_t checked = 0;
  missed = 0;
  std::string text;
  for (const Row& row : result.rows) {
    for (const Check& check : check_row(result, row, judged)) {
      ++checked;
      if (check.met) continue;
      ++missed;
      text += fmt::format("  missed: {} {}: {:.3f} of {}, target {:.2f}\n", check.row, check.metric,
                          check.ratio, check.against, check.limit);
    }
  }
  return fmt::format("{}: {} of {} targets met\n{}", result.allocators[judged].name, checked - missed,
                     checked, text);
}

}  // namespace ashlar::bench
