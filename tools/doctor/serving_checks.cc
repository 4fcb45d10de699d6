// See serving_checks.h.
#include "doctor/serving_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <vector>

#include "doctor/binding_checks.h"
#include "file_name.h"
#include "library.h"
#include "names.h"

namespace ashlar_command {
namespace {

/// Whether one of the entries names the object.
bool names_object(const std::string& preload, const LoadedObject& object, const Tree& files) {
  for (const std::string_view entry : preload_entries(preload)) {
    std::error_code error;
    const std::filesystem::path real = std::filesystem::canonical(files.real(entry), error);
    if (!error && real == std::filesystem::canonical(files.real(object.path), error)) return true;
    if (!object.elf.soname.empty() && file_name(entry) == object.elf.soname) return true;
  }
  return false;
}

std::string variable(const Environment& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string{} : found->second;
}

/// Whether the object stands before libc in the loader's order: what is opened later stands behind it.
bool is_before_libc(const Image& image, const LoadedObject& object) {
  if (!image.bindings_known) return false;  // the order is that of the addresses then
  for (const LoadedObject& other : image.objects) {
    if (&other == &object) return true;
    if (file_name(other.path).starts_with("libc.so") || file_name(other.path).starts_with("libc-"))
      return false;
  }
  return false;
}

/// By what path the object came into the process; empty when nothing at the start asked for it.
std::string path_of(const Evidence& evidence, const LoadedObject& object) {
  const std::string preload = variable(evidence.process.environment, "LD_PRELOAD");
  if (&object == evidence.image.program()) return "linked into the program (libashlar.a)";
  if (evidence.preloaded_here) return "by LD_PRELOAD, as `ashlar run` sets it";
  if (!evidence.process.secure && names_object(preload, object, evidence.files)) return "by LD_PRELOAD";
  if (names_object(evidence.files.read("/etc/ld.so.preload").value_or(""), object, evidence.files)) {
    return "by /etc/ld.so.preload";
  }
  for (const LoadedObject& other : evidence.image.objects) {
    const auto& needed = other.elf.needed;
    if (std::find(needed.begin(), needed.end(), object.elf.soname) != needed.end()) {
      return fmt::format("linked: {} needs it", short_name(other));
    }
  }
  // redis-server, postgres and others write their title over the environment that /proc shows.
  if (is_before_libc(evidence.image, object)) return "preloaded: it stands before libc";
  return {};
}

/// Whether a path of LD_PRELOAD leads to no file. Of a name without a slash that is not known here.
bool is_missing(std::string_view entry, const Tree& files) {
  std::error_code error;
  return entry.find('/') != std::string_view::npos && !std::filesystem::exists(files.real(entry), error);
}

/// Why the bindings are not known although Ashlar is mapped.
Finding not_seen(const Evidence& evidence) {
  Finding finding{"serving", Severity::kNote, "", "Ashlar is mapped; who calls it is not seen.", ""};
  if (maps_file(mapped_files(evidence.process.maps), "vgpreload_")) {
    finding.found = "not known: the program runs inside valgrind's process";
    finding.remedy = "See `valgrind` for what its tool does to malloc.";
  } else if (evidence.readable) {
    finding.found = "not known: the dynamic loader's list of objects was not found in the memory";
    finding.remedy = "Have the library asked at the start: ashlar run --verbose -- PROGRAM.";
  } else {
    finding.found = "not known: the process's memory cannot be read";
    finding.remedy = "See `process` for what hinders it.";
  }
  return finding;
}

/// The mapped file of an Ashlar that is no longer what its path names; empty: none.
std::string replaced_ashlar(const Evidence& evidence) {
  for (const std::string& file : mapped_files(evidence.process.maps)) {
    if (file_name(file).starts_with("libashlar.so") && file.ends_with(" (deleted)")) return file;
  }
  return {};
}

/// The objects with an Ashlar that defines no malloc.
Names twins(const Image& image) {
  Names found;
  for (const LoadedObject& object : image.objects) {
    if (!object.is_ashlar() && object.elf.has_twins()) found.insert(short_name(object));
  }
  return found;
}

/// Why there is no Ashlar that serves malloc.
Finding not_loaded(const Evidence& evidence) {
  const Environment& environment = evidence.process.environment;
  const std::string entry(ashlar_entry(variable(environment, "LD_PRELOAD")));
  if (const std::string replaced = replaced_ashlar(evidence); !replaced.empty()) {
    return {
        "loaded", Severity::kWarning, replaced,
        "An Ashlar whose file was replaced or removed since the start: it goes on as it was, but there is "
        "no file left to examine, so whether it serves is not known.",
        "Restart the program to have what is installed now."};
  }
  if (const Names beside = twins(evidence.image); !beside.empty()) {
    return {"loaded", Severity::kProblem,
            fmt::format("Ashlar is in the process, but not as its malloc ({})", shown(beside)),
            fmt::format(
                "What is there is made for use beside another malloc (libashlar_dl.so, libashlar_api.a): it "
                "has ashlar_malloc and its like, and no malloc on purpose. malloc → {}.",
                bound_where(evidence.image, "malloc")),
            "Nothing, if only ashlar_malloc was wanted. For malloc as well: `ashlar run -- PROGRAM`, or link "
            "libashlar.so.1 (docs/linking.md)."};
  }
  Finding finding{"loaded", Severity::kProblem, "Ashlar is not in the process", "",
                  "Start the program with `ashlar run -- PROGRAM`, or link it with Ashlar."};
  const LoadedObject* const program = evidence.image.program();
  // Under valgrind the kernel's program is valgrind, which is static.
  const bool is_static = program != nullptr && program->elf.error.empty() && program->elf.needed.empty() &&
                         !maps_file(mapped_files(evidence.process.maps), "vgpreload_");
  if (!entry.empty() && is_static) {
    finding.meaning =
        fmt::format("LD_PRELOAD names {}, but the program is statically linked: no loader reads it.", entry);
    finding.remedy = "Link libashlar.a into the program.";
  } else if (!entry.empty() && evidence.process.secure) {
    finding.meaning = fmt::format(
        "LD_PRELOAD names {}, but the program runs with more rights than its caller: the loader drops it.",
        entry);
    finding.remedy =
        "Link the program with Ashlar, or name the library in /etc/ld.so.preload (for every program).";
  } else if (!entry.empty() && is_missing(entry, evidence.files)) {
    finding.meaning = fmt::format("LD_PRELOAD names {}, which is not there.", entry);
    finding.remedy = "See `LD_PRELOAD`.";
  } else if (!entry.empty()) {
    finding.meaning = fmt::format(
        "LD_PRELOAD names {}, but the loader did not take it: it says why on stderr at the "
        "start (not found there, another architecture, an older glibc).",
        entry);
    finding.remedy = evidence.started_here ? "See `messages`: the loader's words."
                                           : "See the first lines of the program's stderr, or have them "
                                             "repeated: ashlar doctor --as-is -- PROGRAM.";
  } else if (is_static) {
    finding.meaning = "The program is statically linked.";
    finding.remedy = "Link libashlar.a into the program.";
  } else {
    finding.meaning = "Neither LD_PRELOAD nor /etc/ld.so.preload nor a library of the program names it.";
  }
  return finding;
}

}  // namespace

Findings check_loaded(const Evidence& evidence) {
  const std::vector<std::size_t> found = ashlars_in(evidence.image);
  if (found.empty()) return {not_loaded(evidence)};
  const LoadedObject& first = evidence.image.objects[found.front()];
  const std::string path = path_of(evidence, first);
  Findings findings;
  if (path.empty()) {
    findings.push_back({"loaded", Severity::kProblem, fmt::format("{}, by dlopen", first.path),
                        "It came when malloc was bound already: only what is loaded after it may find it.",
                        "Preload it (ashlar run), or link the program with it."});
  } else {
    findings.push_back({"loaded", Severity::kOk,
                        &first == evidence.image.program()
                            ? fmt::format("Ashlar {}, {}", first.elf.ashlar_version, path)
                            : fmt::format("Ashlar {}, {}, {}", first.elf.ashlar_version, first.path, path),
                        "", ""});
  }
  if (const Names beside = twins(evidence.image); !beside.empty()) {
    findings.push_back(
        {"loaded", Severity::kNote,
         fmt::format("a second heap beside it, for ashlar_malloc and its like ({})", shown(beside)),
         "It has its own memory, statistics and caches; a block belongs to the heap it came from.",
         "Nothing, if that is meant; else leave it out: docs/linking.md."});
  }
  for (std::size_t i = 1; i < found.size(); ++i) {
    const LoadedObject& second = evidence.image.objects[found[i]];
    findings.push_back({"loaded", Severity::kWarning,
                        fmt::format("a second Ashlar: {}, {}", second.elf.ashlar_version, second.path),
                        "The first in the loader's search serves; the second only costs memory.",
                        "Leave one of them out."});
  }
  return findings;
}

Findings check_serving(const Evidence& evidence) {
  const Image& image = evidence.image;
  const std::vector<std::size_t> found = ashlars_in(image);
  if (evidence.answer) {
    const Answer& answer = *evidence.answer;
    if (answer.verdict == Verdict::kServing) {
      return {{"serving", Severity::kOk,
               fmt::format("asked inside the process, libashlar {} says that it serves", answer.text), "",
               ""}};
    }
    if (found.empty()) return {};
    const bool silent = answer.verdict == Verdict::kSilent;
    return {{"serving", Severity::kProblem,
             silent
                 ? answer.text
                 : fmt::format("asked inside the process, the library says: {} is not Ashlar's", answer.text),
             silent ? "Nothing shows that Ashlar serves, although it is mapped."
                    : "Somebody else's malloc comes first, or hands out blocks of its own.",
             silent ? "See the messages above, and start the program once with `ashlar run --verbose`."
                    : "See `bindings`: take the other out of LD_PRELOAD, or put Ashlar before it."}};
  }
  if (found.empty()) return {};
  const LoadedObject& ashlar = image.objects[found.front()];
  if (&ashlar == image.program() && !image.bindings_known) {
    return {{"serving", Severity::kOk, "malloc is linked into the program", "", ""}};
  }
  if (!image.bindings_known) return {not_seen(evidence)};
  std::size_t ours = 0;
  std::size_t all = 0;
  for (const Binding& binding : image.bindings) {
    if (is_operator_name(binding.symbol) || image.objects[binding.importer].is_ashlar()) continue;
    ++all;
    if (image.objects[binding.target].is_ashlar()) ++ours;
  }
  const std::string count =
      fmt::format("{} of {} bound calls of malloc and its family lead to Ashlar", ours, all);
  if (ours > 0) return {{"serving", Severity::kOk, count, "", ""}};
  return {{"serving", Severity::kProblem, count, "Ashlar is mapped and serves nobody.",
           "See `bindings` for who serves instead; preload Ashlar at the start (ashlar run)."}};
}

}  // namespace ashlar_command
