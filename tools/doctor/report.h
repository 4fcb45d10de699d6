// What `ashlar doctor` prints: aligned text for people, JSON for programs.
#pragma once

#include <optional>
#include <string>

#include "doctor/finding.h"
#include "doctor/image.h"

namespace ashlar_command {

struct Report {
  std::string subject;  // what was looked at: a program, a process, or this system
  Findings findings;
  const Image* image = nullptr;  // for the bindings, in JSON; null: nothing was looked into
};

/// Whether Ashlar serves all of what was looked at, by the findings; nothing: that was not seen.
std::optional<bool> serves(const Findings& findings);

/// The verdict; findings by severity, the worst first; those that are ok only when `verbose`; a summary.
std::string text_report(const Report& report, bool verbose);

std::string json_report(const Report& report);

}  // namespace ashlar_command
