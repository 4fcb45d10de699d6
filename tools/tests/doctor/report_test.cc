// Text and JSON of a report.
#include "doctor/report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

namespace ashlar_command {
namespace {

Report example() {
  return {
      "./program",
      {{"loaded", Severity::kOk, "it is", "", ""},
       {"mappings", Severity::kWarning, "many", std::string(60, 'x') + ' ' + std::string(60, 'y'), "fewer"},
       {"serving", Severity::kProblem, "no", "", ""}},
      nullptr};
}

TEST(TextReport, TheWorstFirstAndWhatIsFineOnlyWhenAsked) {
  const std::string brief = text_report(example(), false);
  EXPECT_LT(brief.find("problem serving"), brief.find("warning mappings"));
  EXPECT_EQ(brief.find("loaded"), std::string::npos);
  EXPECT_NE(brief.find("1 problem, 1 warning, 0 notes; 1 ok (--verbose shows them)\n"), std::string::npos);
  const std::string full = text_report(example(), true);
  EXPECT_NE(full.find("ok      loaded            it is\n"), std::string::npos) << full;
}

TEST(TextReport, LinesAreWrappedBelowTheirFirst) {
  std::istringstream text(text_report(example(), false));
  const std::string indent(26, ' ');
  bool second = false;
  for (std::string line; std::getline(text, line);) {
    EXPECT_LE(line.size(), 110u) << line;
    second = second || line == indent + std::string(60, 'y');
  }
  EXPECT_TRUE(second);
}

TEST(JsonReport, FieldsCountsAndBindings) {
  Image image;
  image.objects.resize(2);
  image.objects[0].path = "/bin/program";
  image.objects[1].path = "/lib/x.so";
  image.bindings = {{"_Znwm", 0, 1}};
  image.bindings_known = true;
  Report report = example();
  report.image = &image;
  const auto json = nlohmann::json::parse(json_report(report));
  EXPECT_EQ(json["subject"], "./program");
  EXPECT_EQ(json["findings"].size(), 3u);
  EXPECT_EQ(json["findings"][1]["severity"], "warning");
  EXPECT_EQ(json["findings"][1]["remedy"], "fewer");
  EXPECT_EQ(json["count"]["problem"], 1);
  EXPECT_EQ(json["count"]["ok"], 1);
  EXPECT_EQ(json["bindings"]["operator new"]["/lib/x.so"][0], "/bin/program");
}

TEST(JsonReport, PathsThatAreNotUtf8) {
  Report report = example();
  report.subject = "./\xff";
  EXPECT_TRUE(nlohmann::json::accept(json_report(report)));
}

TEST(Report, TheVerdict) {
  const Finding served{"serving", Severity::kOk, "", "", ""};
  const Finding problem{"bindings", Severity::kProblem, "", "", ""};
  EXPECT_EQ(serves({served}), std::optional(true));
  EXPECT_EQ(serves({served, problem}), std::optional(false)) << "not all of it";
  EXPECT_EQ(serves({{"serving", Severity::kNote, "", "", ""}}), std::nullopt);
  const Finding shut{"process", Severity::kProblem, "", "", "", true};
  EXPECT_EQ(serves({shut}), std::nullopt) << "what was not seen does not speak against Ashlar";
  EXPECT_EQ(serves({shut, problem}), std::optional(false));
  EXPECT_NE(text_report({"x", {shut}, nullptr}, false).find("x: whether Ashlar serves it was not seen\n"),
            std::string::npos);
  EXPECT_TRUE(
      text_report({"x", {served}, nullptr}, false).starts_with("ashlar doctor: x: Ashlar serves it\n"));
  EXPECT_NE(json_report({"x", {}, nullptr}).find("\"serves\": null"), std::string::npos);
}

}  // namespace
}  // namespace ashlar_command
