// What a check of `ashlar doctor` says: what it found, what that means, what to do about it.
#pragma once

#include <string>
#include <vector>

namespace ashlar_command {

enum class Severity {
  kOk,       // as it should be; shown with --verbose only
  kNote,     // worth knowing, costs nothing now
  kWarning,  // costs memory, speed or a facility, or is about to
  kProblem,  // Ashlar does not serve the program, or not all of it; or nothing of that could be seen
};

struct Finding {
  std::string check;  // a word or two; stable, scripts may select by it
  Severity severity = Severity::kOk;
  std::string found;    // one line
  std::string meaning;  // empty where `found` says it all
  std::string remedy;   // empty where nothing needs to be done
  bool unseen = false;  // what was to be looked at was not seen: this says nothing of whether Ashlar serves
};
using Findings = std::vector<Finding>;

/// "ok", "note", "warning", "problem".
const char* severity_name(Severity severity);

/// How many findings of this severity there are.
std::size_t count_of(const Findings& findings, Severity severity);

}  // namespace ashlar_command
