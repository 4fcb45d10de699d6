// What the tests of doctor's checks share: made-up objects, and looking at findings. Each finding that is
// looked at is also checked for saying what it means, and what to do where something is wrong.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "doctor/finding.h"
#include "doctor/image.h"

namespace ashlar_command {

inline LoadedObject object(const std::string& path, std::vector<std::string> needed = {"libc.so.6"}) {
  LoadedObject result;
  result.path = path;
  result.elf.soname = path.substr(path.find_last_of('/') + 1);
  result.elf.needed = std::move(needed);
  return result;
}

inline const Finding& complete(const Finding& finding) {
  if (finding.severity != Severity::kOk) {
    EXPECT_NE(finding.meaning, "") << finding.check << ": " << finding.found;
  }
  if (finding.severity == Severity::kProblem || finding.severity == Severity::kWarning) {
    EXPECT_NE(finding.remedy, "") << finding.check << ": " << finding.found;
  }
  return finding;
}

/// The one finding.
inline Finding only(const Findings& findings) {
  EXPECT_EQ(findings.size(), 1u);
  return findings.empty() ? Finding{} : complete(findings.front());
}

/// Whether `text` stands in any of its parts.
inline bool says(const Finding& finding, std::string_view text) {
  complete(finding);
  return (finding.found + '\n' + finding.meaning + '\n' + finding.remedy).find(text) != std::string::npos;
}

}  // namespace ashlar_command
