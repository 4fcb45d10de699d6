// See binding_checks.h.
#include "doctor/binding_checks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "file_name.h"
#include "names.h"

namespace ashlar_command {
namespace {

bool is_cxx_library(const LoadedObject& object) {
  const std::string_view name = file_name(object.path);
  return name.starts_with("libstdc++") || name.starts_with("libc++");
}

bool is_loader(const LoadedObject& object) { return file_name(object.path).starts_with("ld-"); }

/// Calls that go to one object, by who calls: the names called.
using Callers = std::map<std::size_t, Names>;

std::string describe_callers(const Image& image, const Callers& callers) {
  Names objects;
  Names symbols;
  for (const auto& [importer, names] : callers) {
    objects.insert(short_name(image.objects[importer]));
    symbols.insert(names.begin(), names.end());
  }
  return fmt::format("{}: {}", shown(objects), shown(symbols));
}

/// What a call that goes past Ashlar means, and what to do, by who gets it.
Finding explain_target(const Evidence& evidence, std::size_t target, const Callers& callers) {
  const Image& image = evidence.image;
  const LoadedObject& object = image.objects[target];
  Finding finding{
      "bindings", Severity::kProblem,
      fmt::format("{} go to {}, not to Ashlar", describe_callers(image, callers), short_name(object)), "",
      ""};
  const std::size_t ashlar = ashlars_in(image).front();
  const bool ahead = target < ashlar;
  const bool itself = callers.size() == 1 && callers.begin()->first == target;
  const std::string danger =
      " A block of one that the other frees is lost (Ashlar names it once and ignores it) or stops the "
      "program.";
  if (ahead && evidence.answer && evidence.answer->verdict == Verdict::kServing) {
    finding.severity = Severity::kNote;
    finding.meaning = fmt::format(
        "{} defines them and hands on to Ashlar: what they returned when the library tried "
        "them was Ashlar's.",
        short_name(object));
  } else if (ahead) {
    finding.meaning =
        fmt::format("{} defines them and comes before Ashlar in the loader's search.", short_name(object)) +
        danger;
    finding.remedy = target == 0 ? "Build the program without its own malloc, or run it without Ashlar."
                                 : "Put Ashlar before it in LD_PRELOAD, or leave it out.";
    if (!evidence.answer) finding.remedy += " Whether it hands on to Ashlar tells: ashlar doctor -- PROGRAM.";
  } else if (itself) {
    finding.meaning = fmt::format("{} binds to its own definitions first{}.", short_name(object),
                                  object.elf.symbolic ? " (DT_SYMBOLIC)" : "");
    finding.remedy = "Harmless while its blocks stay inside it; otherwise build it without -Bsymbolic.";
    finding.severity = Severity::kWarning;
  } else {
    finding.meaning =
        "They were opened by dlopen with RTLD_DEEPBIND (or linked with -Bsymbolic): their own libraries "
        "are searched first." +
        danger;
    finding.remedy =
        "Open them without RTLD_DEEPBIND (libashlar.so.1 leaves it out unless ASHLAR_CONF says "
        "deepbind:keep), "
        "or link them with libashlar.so.1 before libc.";
  }
  return finding;
}

Finding explain_operators(const Image& image, std::size_t target, const Callers& callers) {
  const LoadedObject& object = image.objects[target];
  Finding finding{"operator new", Severity::kNote,
                  fmt::format("{} go to {}", describe_callers(image, callers), short_name(object)), "", ""};
  if (is_cxx_library(object)) {
    finding.meaning = "It calls malloc, so Ashlar serves all the same.";
  } else if (target != 0 && object.elf.defines.contains("malloc")) {
    finding.meaning = "It brings a malloc of its own: these blocks are its own, not Ashlar's.";
    finding.remedy = "Put Ashlar before it in LD_PRELOAD, or leave it out.";
  } else {
    finding.meaning = "The program replaces them. What they take from malloc is Ashlar's.";
  }
  return finding;
}

}  // namespace

std::string bound_where(const Image& image, const std::string& symbol) {
  std::map<std::size_t, std::size_t> callers;
  for (const Binding& binding : image.bindings) {
    if (binding.symbol == symbol && !image.objects[binding.importer].is_ashlar()) ++callers[binding.target];
  }
  std::vector<std::string> parts;
  for (const auto& [target, count] : callers) {
    parts.push_back(
        fmt::format("{} ({} object{})", short_name(image.objects[target]), count, count == 1 ? "" : "s"));
  }
  if (!parts.empty()) return fmt::format("{}", fmt::join(parts, ", "));
  const std::optional<std::size_t> definer = image.first_definer(symbol);
  return definer ? fmt::format("{} (nobody calls it yet)", short_name(image.objects[*definer])) : "nowhere";
}

Findings check_bindings(const Evidence& evidence) {
  const Image& image = evidence.image;
  if (ashlars_in(image).empty() || !image.bindings_known) return {};
  std::map<std::size_t, Callers> family;
  std::map<std::size_t, Callers> operators;
  for (const Binding& binding : image.bindings) {
    const LoadedObject& importer = image.objects[binding.importer];
    if (image.objects[binding.target].is_ashlar() || importer.is_ashlar() || is_loader(importer)) continue;
    auto& group = is_operator_name(binding.symbol) ? operators : family;
    group[binding.target][binding.importer].insert(binding.symbol);
  }
  Findings findings;
  for (const auto& [target, callers] : family)
    findings.push_back(explain_target(evidence, target, callers));
  for (const auto& [target, callers] : operators)
    findings.push_back(explain_operators(image, target, callers));
  if (findings.empty()) {
    findings.push_back(
        {"bindings", Severity::kOk,
         fmt::format("malloc → {}; operator new → {}; posix_memalign → {}", bound_where(image, "malloc"),
                     bound_where(image, "_Znwm"), bound_where(image, "posix_memalign")),
         image.unbound == 0 ? std::string{}
                            : fmt::format("{} calls are bound when they first happen.", image.unbound),
         ""});
  }
  return findings;
}

}  // namespace ashlar_command
