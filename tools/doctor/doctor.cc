// `ashlar doctor`: finds what is to be looked at, gathers the evidence, has it judged. See doctor.h.
#include "doctor/doctor.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "doctor/binding_checks.h"
#include "doctor/environment_checks.h"
#include "doctor/launch_checks.h"
#include "doctor/neighbour_checks.h"
#include "doctor/process_access.h"
#include "doctor/report.h"
#include "doctor/runner.h"
#include "doctor/serving_checks.h"
#include "doctor/stopped_program.h"
#include "doctor/system_checks.h"
#include "library.h"
#include "obstacle.h"
#include "preload_choice.h"
#include "program.h"
#include "run.h"

namespace ashlar_command {
namespace {

void append(Findings& findings, Findings more) {
  findings.insert(findings.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

/// What holds for a process, whatever is in it.
Findings check_surroundings(const ProcessFacts& process, const Tree& files) {
  const Tree system;
  Findings findings;
  append(findings, check_conf(process.environment, process.secure));
  append(findings, check_leftovers(process.environment));
  append(findings, check_preload(process.environment, files));
  append(findings, check_limits(process, usable_memory(system, process.cgroup)));
  findings.push_back(check_cgroup(system, process.cgroup));
  findings.push_back(check_mappings(system, mappings(process.maps).size()));
  findings.push_back(check_overcommit(system));
  findings.push_back(check_huge_pages(system, process.huge_pages_off));
  findings.push_back(check_page_size(process.page_size));
  return findings;
}

Findings check_inside(const Evidence& evidence) {
  Findings findings;
  append(findings, check_loaded(evidence));
  append(findings, check_serving(evidence));
  append(findings, check_bindings(evidence));
  append(findings, check_allocators(evidence.image));
  append(findings, check_tools(evidence.image, evidence.process));
  append(findings, check_modules(evidence.image, evidence.process.environment));
  append(findings, check_built_in_conf(evidence.image, evidence.process));
  for (const LoadedObject& object : evidence.image.objects) {
    if (object.elf.error.empty()) continue;
    findings.push_back({"objects", Severity::kNote, fmt::format("{}: {}", object.path, object.elf.error),
                        "What it calls and defines is not known.", ""});
  }
  return findings;
}

int print(const DoctorRequest& request, const Report& report) {
  const std::string text = request.json ? json_report(report) : text_report(report, request.verbose);
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    fmt::print(stderr, "ashlar: doctor: cannot write the report: {}\n", std::strerror(errno));
    return kExitOurs;
  }
  return count_of(report.findings, Severity::kProblem) > 0 ? kExitProblem : 0;
}

bool can_read(const MemoryReader& memory, const ProcessFacts& process) {
  char byte = 0;
  return memory(process.entry, &byte, 1);
}

int examine_process(const DoctorRequest& request, pid_t pid, const std::string& relation) {
  const std::string who = std::to_string(pid);
  const Tree system;
  const auto absent = [&](const std::string& reason) {
    fmt::print(stderr, "ashlar: doctor: {}\n", reason);
    return kExitUsage;
  };
  const auto ended = [&] { return absent(fmt::format("process {} ended while it was looked at", pid)); };
  if (const auto reason = absent_reason(system, pid)) return absent(*reason);
  if (const auto children = run_children(system, pid)) {
    if (children->empty()) {
      return absent(fmt::format(
          "process {} is `ashlar run`, and has no child: its program has not begun, or has ended", pid));
    }
    return examine_process(request, children->front(), fmt::format(", child of `ashlar run` ({})", pid));
  }
  const ProcessFacts process = read_process(system, who);
  if (!process.readable) {
    if (absent_reason(system, pid)) return ended();
    return print(
        request,
        {fmt::format("process {}{}", who, relation), {access_finding(system, pid, geteuid())}, nullptr});
  }
  const Tree files("/proc/" + who + "/root");
  const MemoryReader memory = memory_of(pid);
  const Image image = read_image(process, files, memory);
  if (absent_reason(system, pid)) return ended();
  Report report{
      fmt::format("process {} ({}), {}{}", who, process.name, process.program, relation), {}, &image};
  const bool readable = can_read(memory, process);
  report.findings = check_inside({process, image, files, std::nullopt, false, false, readable});
  if (!image.bindings_known && image.program()->elf.dynamic_section != 0 && !readable) {
    Finding finding = access_finding(system, pid, geteuid());
    finding.severity = Severity::kWarning;  // what is mapped is seen all the same
    report.findings.push_back(finding);
  }
  append(report.findings, check_surroundings(process, files));
  return print(request, report);
}

/// The program that is to be started, and how.
struct Plan {
  Launch launch;
  ElfObject object;        // of the file that decides
  bool built_in = false;   // Ashlar is linked into it
  bool preloaded = false;  // this command adds Ashlar
  StoppedProgram::Stop stop = StoppedProgram::Stop::kEntry;
  Findings findings;  // about how it is started
};

/// What is known before the start and forbids it. Where it doesn't, completes the plan.
Findings prepare(const DoctorRequest& request, const Program& program, Plan& plan) {
  plan.object = read_object(program.chain.back().path);
  plan.built_in = !plan.object.ashlar_version.empty();
  const PreloadChoice choice = choose_library(request.library);
  // Without a library, this command stands in: it is built for the same machine.
  const FileFacts facts = inspect_file(choice.error.empty() ? choice.library : std::string("/proc/self/exe"));
  const Caller caller = current_caller();
  if (Findings found = check_obstacle(program, plan.object, facts, caller); !found.empty()) return found;
  if (Findings found =
          check_valgrind(program.chain.front().path, request.words, environment("VALGRIND_OPTS"));
      !found.empty()) {
    return found;
  }
  plan.findings = check_rights(privileges_of(program.chain.back().path), caller);
  plan.launch = {program.path, program.argv, {}, true};
  auto& variables = plan.launch.environment;
  if (!request.as_is && !plan.built_in) {
    const std::string existing = environment("LD_PRELOAD");
    const bool listed = !ashlar_entry(existing).empty();
    if (!choice.error.empty() && !listed) {
      return {{"library", Severity::kProblem, choice.error, "There is nothing to preload.",
               fmt::format("Name a {} with --lib.", kLibraryName)}};
    }
    if (choice.error.empty()) {
      const Preload preload = join_preload(existing, choice.library);
      plan.preloaded = preload.value != existing;
      append(plan.findings, check_replaced(preload, choice.library));
      variables.emplace_back("LD_PRELOAD", preload.value);
    }
  }
  if (plan.built_in) plan.stop = StoppedProgram::Stop::kAnswer;
  if (is_wrapper(program.chain.back().path)) {
    if (request.follow) {
      plan.stop = StoppedProgram::Stop::kFollowed;
      plan.launch.probe = false;  // the wrapper would answer
    } else {
      append(plan.findings, check_wrapper(program));
    }
  }
  const std::string conf = join_conf(environment("ASHLAR_CONF"), request.conf);
  if (!conf.empty()) variables.emplace_back("ASHLAR_CONF", conf);
  return {};
}

/// What the loader and the library wrote while the program was started; and the wrapper, where it is
/// followed.
void add_messages(const std::string& messages, bool followed, Findings& findings) {
  std::string_view rest = messages;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    // What the library says of its options has findings of its own.
    if (line.empty() || line.starts_with("ashlar: ASHLAR_CONF") || line.starts_with("ashlar: ashlar_conf"))
      continue;
    findings.push_back({"messages", Severity::kNote, std::string(line),
                        followed ? "Written by the wrapper, to stdout or stderr, or by the dynamic loader."
                                 : "Written to stderr before main.",
                        ""});
  }
}

/// Starts the program with every call bound before main, so that each can be seen. Where a function is
/// missing that it would never call, that fails; then as it would start by itself. A wrapper is started once.
std::unique_ptr<StoppedProgram> start(const Plan& plan) {
  Launch bound = plan.launch;
  bound.environment.emplace_back("LD_BIND_NOW", "1");
  auto program = std::make_unique<StoppedProgram>(bound, plan.stop);
  if (!program->error().empty() && plan.stop != StoppedProgram::Stop::kFollowed) {
    program = std::make_unique<StoppedProgram>(plan.launch, plan.stop);
  }
  return program;
}

/// What to do when the program could not be looked at.
std::string remedy_of_start(const Plan& plan, const StoppedProgram& stopped) {
  if (plan.stop == StoppedProgram::Stop::kFollowed) {
    return "Leave --follow out: the wrapper itself is the program, or starts the program as a child; a child "
           "is seen by --pid.";
  }
  if (stopped.loader_failed()) {
    return fmt::format(
        "See `messages`: what the dynamic loader misses (a library, a symbol) must be there; "
        "`ldd {}` lists what it finds.",
        plan.launch.path);
  }
  return plan.preloaded ? "`ashlar doctor --as-is -- PROGRAM` tells whether it starts without Ashlar."
                        : "Start it without doctor: it must come to its main function by itself.";
}

int examine_program(const DoctorRequest& request, const Program& program, std::string subject) {
  Report report{std::move(subject), {}, nullptr};
  Plan plan;
  const auto not_looked_into = [&] {
    append(report.findings, check_surroundings(read_process(Tree(), "self"), Tree()));
    return print(request, report);
  };
  report.findings = prepare(request, program, plan);
  if (!report.findings.empty()) return not_looked_into();
  const bool followed = plan.stop == StoppedProgram::Stop::kFollowed;
  const std::unique_ptr<StoppedProgram> stopped = start(plan);
  report.findings = std::move(plan.findings);
  if (!stopped->error().empty()) {
    report.findings.push_back({"start", Severity::kProblem, stopped->error(), "It could not be looked into.",
                               remedy_of_start(plan, *stopped), true});
    add_messages(stopped->messages(), followed, report.findings);
    return not_looked_into();
  }
  const ProcessFacts process = read_process(Tree(), std::to_string(stopped->pid()));
  if (followed) report.subject += fmt::format(", followed to {}", process.program);
  if (Findings found =
          check_valgrind(process.program, command_line(Tree(), stopped->pid()), environment("VALGRIND_OPTS"));
      !found.empty()) {
    append(report.findings, std::move(found));
    add_messages(stopped->messages(), followed, report.findings);
    return not_looked_into();
  }
  report.subject += ", stopped before main";
  Image image = read_image(process, Tree(), memory_of(stopped->pid()));
  // By the name that it was given here, not by that of the file to which a link leads.
  if (!followed) image.objects.front().path = program.path;
  report.image = &image;
  const std::optional<Answer> answer = followed ? std::nullopt : std::optional(stopped->answer());
  append(report.findings, check_inside({process, image, Tree(), answer, plan.preloaded, true}));
  add_messages(stopped->messages(), followed, report.findings);
  append(report.findings, check_surroundings(process, Tree()));
  return print(request, report);
}

}  // namespace

int doctor(const DoctorRequest& request) {
  if (!request.library.empty()) {
    if (const PreloadChoice choice = choose_library(request.library); !choice.error.empty()) {
      fmt::print(stderr, "ashlar: doctor: {}\n", choice.error);
      return kExitUsage;
    }
  }
  if (request.pid != 0) return examine_process(request, request.pid, "");
  const bool own = request.words.empty();
  const std::vector<std::string> words =
      own ? std::vector<std::string>{"/proc/self/exe", "--version"} : request.words;
  const Program program = resolve_program(words, search_path_of_environment());
  if (program.found != Found::kYes) return report_missing(program);
  return examine_program(request, program, own ? std::string("a program of its own") : describe(program));
}

}  // namespace ashlar_command
