// See report.h.
#include "doctor/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "names.h"

namespace ashlar_command {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kSeverityWidth = 8;  // "warning" and a blank
constexpr std::size_t kCheckWidth = 18;
constexpr std::size_t kTextWidth = 76;

std::string plural(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

/// `text` in lines of kTextWidth; all but the first start below the first.
std::string wrapped(std::string_view text, std::size_t indent) {
  std::string result;
  std::size_t column = 0;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    if (column > 0 && column + 1 + word.size() > kTextWidth) {
      result += '\n' + std::string(indent, ' ');
      column = 0;
    }
    if (column > 0) result += ' ';
    result += word;
    column += word.size() + (column > 0 ? 1 : 0);
  }
  return result;
}

std::string paragraph(const Finding& finding) {
  const std::size_t indent = kSeverityWidth + kCheckWidth;
  std::string text = fmt::format("{:<{}}{:<{}}{}\n", severity_name(finding.severity), kSeverityWidth,
                                 finding.check, kCheckWidth, wrapped(finding.found, indent));
  if (!finding.meaning.empty()) text += std::string(indent, ' ') + wrapped(finding.meaning, indent) + '\n';
  if (!finding.remedy.empty())
    text += std::string(indent, ' ') + wrapped("To do: " + finding.remedy, indent) + '\n';
  return text;
}

/// Symbol → target → importers, as the slots say.
Json bindings_json(const Image& image) {
  std::map<std::string, std::map<std::string, std::set<std::string>>> table;
  for (const Binding& binding : image.bindings) {
    table[readable_name(binding.symbol)][image.objects[binding.target].path].insert(
        image.objects[binding.importer].path);
  }
  Json json = Json::object();
  for (const auto& [symbol, targets] : table) {
    for (const auto& [target, importers] : targets)
      json[symbol][target] = importers;
  }
  return json;
}

}  // namespace

std::optional<bool> serves(const Findings& findings) {
  if (std::any_of(findings.begin(), findings.end(), [](const Finding& finding) {
        return finding.severity == Severity::kProblem && !finding.unseen;
      })) {
    return false;
  }
  const bool seen = std::any_of(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.check == "serving" && finding.severity == Severity::kOk;
  });
  return seen ? std::optional(true) : std::nullopt;
}

std::string text_report(const Report& report, bool verbose) {
  const std::optional<bool> verdict = serves(report.findings);
  std::string text = fmt::format("ashlar doctor: {}: {}\n", report.subject,
                                 !verdict   ? "whether Ashlar serves it was not seen"
                                 : *verdict ? "Ashlar serves it"
                                            : "Ashlar does not serve it, or not all of it");
  Findings sorted = report.findings;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Finding& a, const Finding& b) { return a.severity > b.severity; });
  for (const Finding& finding : sorted) {
    if (verbose || finding.severity != Severity::kOk) text += paragraph(finding);
  }
  const std::size_t fine = count_of(report.findings, Severity::kOk);
  return text + fmt::format("{}, {}, {}; {} ok{}\n",
                            plural(count_of(report.findings, Severity::kProblem), "problem"),
                            plural(count_of(report.findings, Severity::kWarning), "warning"),
                            plural(count_of(report.findings, Severity::kNote), "note"), fine,
                            verbose || fine == 0 ? "" : " (--verbose shows them)");
}

std::string json_report(const Report& report) {
  Json json;
  json["subject"] = report.subject;
  const std::optional<bool> verdict = serves(report.findings);
  json["serves"] = verdict ? Json(*verdict) : Json(nullptr);
  json["findings"] = Json::array();
  for (const Finding& finding : report.findings) {
    json["findings"].push_back({{"check", finding.check},
                                {"severity", severity_name(finding.severity)},
                                {"found", finding.found},
                                {"meaning", finding.meaning},
                                {"remedy", finding.remedy}});
  }
  for (const Severity severity : {Severity::kProblem, Severity::kWarning, Severity::kNote, Severity::kOk})
    json["count"][severity_name(severity)] = count_of(report.findings, severity);
  if (report.image != nullptr && report.image->bindings_known) {
    json["bindings"] = bindings_json(*report.image);
    json["unbound"] = report.image->unbound;
  }
  // Paths are bytes, JSON is UTF-8: what is not becomes a replacement character.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace ashlar_command
