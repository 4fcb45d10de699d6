// See neighbour_checks.h.
#include "doctor/neighbour_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "doctor/binding_checks.h"
#include "file_name.h"
#include "maps.h"
#include "names.h"

namespace ashlar_command {
namespace {

/// The allocators in an object: by the names that it defines, or where it was stripped of them, by its
/// file's.
Names allocators_in(const LoadedObject& object) {
  Names found;
  bool sanitizer = false;
  const auto look_at = [&](const std::string& symbol) {
    if (const std::string_view allocator = allocator_of(symbol); !allocator.empty()) found.emplace(allocator);
    sanitizer = sanitizer || !sanitizer_of(symbol).empty();
  };
  for (const auto& [symbol, address] : object.elf.defines)
    look_at(symbol);
  for (const auto& [symbol, address] : object.elf.has)
    look_at(symbol);
  if (found.empty() && !sanitizer && !other_allocators({object.path}).empty())
    found.insert(short_name(object));
  return found;
}

/// An object that calls an allocator by names that only that one has.
Finding explain_calls(const LoadedObject& object, const std::string& allocator, const Names& names) {
  Names allocating;
  std::copy_if(names.begin(), names.end(), std::inserter(allocating, allocating.end()), gives_blocks);
  if (allocating.empty()) {
    return {"second allocator", Severity::kNote,
            fmt::format("{} asks {}: {}", short_name(object), allocator, shown(names)),
            fmt::format("What these calls report and set is {}'s, not Ashlar's.", allocator),
            "Read Ashlar's statistics instead: ashlar run --stats, or mallinfo2."};
  }
  return {
      "second allocator", Severity::kWarning,
      fmt::format("{} calls {}'s own names: {}", short_name(object), allocator, shown(allocating)),
      fmt::format("Blocks from there are {}'s. Those freed by free() reach Ashlar, which names the first and "
                  "ignores them all: they leak.",
                  allocator),
      fmt::format("Build it without {}, or leave this program to {}.", allocator, allocator)};
}

}  // namespace

Findings check_allocators(const Image& image) {
  Findings findings;
  std::map<std::string, Names> present;  // allocator → objects that have it
  for (const LoadedObject& object : image.objects) {
    for (const std::string& allocator : allocators_in(object))
      present[allocator].insert(short_name(object));
  }
  const bool served = std::any_of(image.objects.begin(), image.objects.end(),
                                  [](const LoadedObject& object) { return object.is_ashlar(); });
  if (!served) {
    for (const auto& [allocator, objects] : present) {
      findings.push_back(
          {"second allocator", Severity::kNote,
           fmt::format("{} is in the process ({}), and Ashlar is not", allocator, shown(objects)),
           fmt::format("malloc → {}.", bound_where(image, "malloc")), ""});
    }
    if (findings.empty()) findings.push_back({"second allocator", Severity::kOk, "none", "", ""});
    return findings;
  }
  for (const auto& [allocator, objects] : present) {
    findings.push_back({"second allocator", Severity::kNote,
                        fmt::format("{} is in the process ({})", allocator, shown(objects)),
                        "It costs memory of its own, even when nobody calls it.",
                        "Build the program without it, where it allows that."});
  }
  for (const LoadedObject& object : image.objects) {
    std::map<std::string, Names> called;
    for (const auto& [symbol, address] : object.elf.wants) {
      const std::string_view allocator = allocator_of(symbol);
      // A weak reference that nothing answers is how programs ask which allocator they have.
      if (!allocator.empty() && image.first_definer(symbol)) called[std::string(allocator)].insert(symbol);
    }
    for (const auto& [allocator, names] : called)
      findings.push_back(explain_calls(object, allocator, names));
  }
  if (findings.empty()) findings.push_back({"second allocator", Severity::kOk, "none", "", ""});
  return findings;
}

Findings check_tools(const Image& image, const ProcessFacts& process) {
  Findings findings;
  std::map<std::string, Names> sanitizers;
  const auto note = [&](const std::string& symbol, const LoadedObject& object) {
    const std::string_view name = sanitizer_of(symbol);
    if (!name.empty()) sanitizers[std::string(name)].insert(short_name(object));
  };
  for (const LoadedObject& object : image.objects) {
    for (const auto& [symbol, address] : object.elf.defines)
      note(symbol, object);
    for (const auto& [symbol, address] : object.elf.has)
      note(symbol, object);
    for (const auto& [symbol, address] : object.elf.wants) {
      if (symbol.ends_with("_init")) note(symbol, object);
    }
  }
  if (sanitizers.size() > 1) sanitizers.erase("LeakSanitizer");  // a part of the others
  for (const auto& [name, objects] : sanitizers) {
    findings.push_back(
        {"sanitizer", Severity::kProblem, fmt::format("{} ({})", name, shown(objects)),
         "It brings a malloc of its own, by which it finds errors; Ashlar in front of it would hide them "
         "or stop the program at its start.",
         "Use a build without the sanitizer with Ashlar, or this one without Ashlar."});
  }
  const std::vector<std::string> files = mapped_files(process.maps);
  if (maps_file(files, "vgpreload_")) {
    const bool replaces =
        !maps_file(files, "vgpreload_core") || std::any_of(files.begin(), files.end(), [](auto& file) {
          const std::string_view name = file_name(file);
          return name.starts_with("vgpreload_") && !name.starts_with("vgpreload_core");
        });
    findings.push_back({"valgrind", replaces ? Severity::kProblem : Severity::kNote,
                        "the program runs under valgrind",
                        replaces ? "The tool puts its own malloc into the place of every other."
                                 : "The tool leaves malloc alone; everything is slow.",
                        replaces ? "For errors in the program: valgrind without Ashlar." : ""});
  }
  if (findings.empty()) findings.push_back({"tools", Severity::kOk, "no sanitizer, no valgrind", "", ""});
  return findings;
}

/// Whether the last word on the option, where there is one, is `keep`.
static bool keeps_flag(const Environment& environment) {
  const auto conf = environment.find("ASHLAR_CONF");
  if (conf == environment.end()) return false;
  const std::size_t at = conf->second.rfind("deepbind:");
  return at != std::string::npos && std::string_view(conf->second).substr(at).starts_with("deepbind:keep");
}

Findings check_modules(const Image& image, const Environment& environment) {
  // php: Zend/zend_portability.h; named: lib/ns/hooks.c; valkey: pull request 1703 (8.1).
  static constexpr std::string_view kPrograms[] = {"php", "named", "valkey-server", "libphp"};
  Findings findings;
  for (const LoadedObject& object : image.objects) {
    const std::string_view name = file_name(object.path);
    const bool known = std::any_of(std::begin(kPrograms), std::end(kPrograms),
                                   [&](std::string_view start) { return name.starts_with(start); });
    if (!known) continue;
    const std::string found = fmt::format("some versions of {} open their modules with it", name);
    if (keeps_flag(environment)) {
      findings.push_back(
          {"RTLD_DEEPBIND", Severity::kWarning, found,
           "ASHLAR_CONF says deepbind:keep, so such a module finds libc's malloc before Ashlar's, "
           "and a block that crosses over stops the program: php up to 8.4 ends before its script.",
           "Leave deepbind:keep out of ASHLAR_CONF."});
      continue;
    }
    findings.push_back(
        {"RTLD_DEEPBIND", Severity::kNote, found,
         "The dlopen of libashlar.so.1 leaves the flag out. Where Ashlar comes from the archive or an object "
         "(libashlar.a, ashlar.o), such a module finds libc's malloc first.",
         "When the modules are loaded, ashlar doctor --pid PID names those that go past Ashlar."});
  }
  if (image.other_namespaces) {
    findings.push_back({"namespaces", Severity::kWarning, "the program has loaded objects by dlmopen",
                        "They have a libc, and so a malloc, of their own, which nothing replaces.",
                        "Blocks must not cross over; for Ashlar there, link these objects with it."});
  }
  if (findings.empty())
    findings.push_back({"modules", Severity::kOk, "nothing known to use RTLD_DEEPBIND", "", ""});
  return findings;
}

}  // namespace ashlar_command
