// See launch_checks.h.
#include "doctor/launch_checks.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <iterator>

#include "file_name.h"

namespace ashlar_command {
namespace {

/// "do this" → "Do this."
std::string sentence(std::string text) {
  if (text.empty()) return text;
  text.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(text.front())));
  return text + '.';
}

/// The last --tool=NAME among the words before the first that is no option; `fallback` where there is none.
std::string tool_of(const std::vector<std::string>& words, std::string fallback) {
  constexpr std::string_view kOption = "--tool=";
  for (std::size_t i = 1; i < words.size() && words[i].starts_with('-'); ++i) {
    if (words[i].starts_with(kOption)) fallback = words[i].substr(kOption.size());
  }
  return fallback;
}

/// Whether these words tell valgrind's tools to leave everybody's malloc alone (docs/linking.md).
bool leaves_malloc_alone(const std::vector<std::string>& words) {
  for (std::size_t i = 1; i < words.size() && words[i].starts_with('-'); ++i) {
    if (words[i].starts_with("--soname-synonyms=") &&
        words[i].find("somalloc=nouserintercepts") != std::string::npos)
      return true;
  }
  return false;
}

}  // namespace

Findings check_obstacle(const Program& program, const ElfObject& object, const FileFacts& library,
                        const Caller& caller) {
  const Obstacle found = obstacle(program, library, caller);
  if (found.empty() || !object.ashlar_version.empty()) return {};
  Finding finding{"program", Severity::kProblem, found.reason, "It was not started.", sentence(found.remedy)};
  const bool linked = std::any_of(object.needed.begin(), object.needed.end(),
                                  [](const std::string& name) { return name.starts_with("libashlar.so"); });
  const std::string secure = secure_execution_reason(privileges_of(program.chain.back().path), caller);
  if (linked && !secure.empty() && secure == found.reason) {
    finding.severity = Severity::kNote;
    finding.meaning = "It was not started; but it is linked with Ashlar, which the loader does not drop.";
    finding.remedy = "";
  }
  return {finding};
}

Findings check_valgrind(std::string_view path, const std::vector<std::string>& words,
                        std::string_view options) {
  const std::string_view name = file_name(path);
  if (name != "valgrind" && name != "valgrind.bin") return {};
  // The tools that bring no malloc; the default, memcheck, brings one.
  static constexpr std::string_view kLeaveMalloc[] = {"callgrind", "cachegrind", "lackey", "none", "exp-bbv"};
  std::vector<std::string> preset{"valgrind"};
  for (const std::string_view word : preload_entries(options))
    preset.emplace_back(word);
  const std::string tool = tool_of(words, tool_of(preset, "memcheck"));
  const bool leaves =
      leaves_malloc_alone(words) || leaves_malloc_alone(preset) ||
      std::find(std::begin(kLeaveMalloc), std::end(kLeaveMalloc), tool) != std::end(kLeaveMalloc);
  const std::string found = fmt::format("valgrind (tool {}) runs the program inside its own process", tool);
  if (leaves) {
    return {
        {"valgrind", Severity::kNote, found,
         "The tool leaves malloc alone, and the program inherits LD_PRELOAD. But the kernel sees valgrind's "
         "process only, which cannot be stopped at the program's main function. It was not started.",
         "Name the program without valgrind."}};
  }
  return {
      {"valgrind", Severity::kProblem, found,
       "The tool puts its own malloc into the place of every other, Ashlar's too. It was not started.",
       "For errors in the program: valgrind without Ashlar. To see whether Ashlar serves the program: name "
       "it without valgrind."}};
}

Findings check_rights(const Privileges& file, const Caller& caller) {
  if (!secure_execution_reason(file, caller).empty()) return {};
  // A user and a group that own no file.
  const std::string others = secure_execution_reason(file, {uid_t(-1), gid_t(-1), false});
  if (others.empty()) return {};
  return {
      {"program", Severity::kNote, others,
       "The user who runs this command gets no other rights by it, so the loader takes LD_PRELOAD, and this "
       "report holds. For other users it drops it, and Ashlar does not serve the program.",
       "Look at it as the user who will run it; or link it with Ashlar, or name the library in "
       "/etc/ld.so.preload (for every program)."}};
}

Findings check_replaced(const Preload& preload, const std::string& library) {
  Findings findings;
  for (const std::string& entry : preload.replaced) {
    const bool named_by_path = entry.find('/') != std::string::npos;
    const bool there = named_by_path && access(entry.c_str(), F_OK) == 0;
    findings.push_back(
        {"LD_PRELOAD", named_by_path ? Severity::kWarning : Severity::kNote,
         there           ? fmt::format("names another Ashlar, {}", entry)
         : named_by_path ? fmt::format("names {}, which is not there", entry)
                         : fmt::format("names {}, which the dynamic loader searches for", entry),
         fmt::format("Here, and by `ashlar run`, {} takes its place. Started otherwise, the program runs {}.",
                     library, named_by_path && !there ? "without Ashlar" : "under the other one"),
         "Correct LD_PRELOAD where it is set, or unset it there. --as-is looks at what it does now."});
  }
  return findings;
}

Findings check_wrapper(const Program& program) {
  const std::string& wrapper = program.chain.back().path;
  if (!is_wrapper(wrapper)) return {};
  const std::string script = program.chain.size() > 1
                                 ? fmt::format(" the script {}", program.chain.front().path)
                                 : std::string(" whatever it is told");
  return {{"wrapper", Severity::kNote, fmt::format("this report is about {}, which runs{}", wrapper, script),
           "Which programs that leads to cannot be known from outside. They inherit LD_PRELOAD and "
           "ASHLAR_CONF, so "
           "Ashlar serves them as far as nothing stands in its way there.",
           "Name the program proper, or use --follow: it lets the wrapper run until it executes another "
           "program in "
           "its place (what it does until then is done), and reports on that. When it runs: --pid."}};
}

}  // namespace ashlar_command
