// `ashlar doctor`: finds what is to be looked at, gathers the evidence, has it judged. See doctor.h.
#include "doctor/doctor.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "doctor/binding_checks.h"
#include "doctor/environment_checks.h"
#include "doctor/neighbour_checks.h"
#include "doctor/process_access.h"
#include "doctor/report.h"
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
  append(findings, check_modules(evidence.image));
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

int examine_process(const DoctorRequest& request) {
  const std::string who = std::to_string(request.pid);
  const Tree system;
  const auto absent = [&](const std::string& reason) {
    fmt::print(stderr, "ashlar: doctor: {}\n", reason);
    return kExitUsage;
  };
  if (const auto reason = absent_reason(system, request.pid)) return absent(*reason);
  const ProcessFacts process = read_process(system, who);
  if (!process.readable) {
    if (absent_reason(system, request.pid)) {
      return absent(fmt::format("process {} ended while it was looked at", request.pid));
    }
    return print(request,
                 {fmt::format("process {}", who), {access_finding(system, request.pid, geteuid())}, nullptr});
  }
  const Tree files("/proc/" + who + "/root");
  const MemoryReader memory = memory_of(request.pid);
  const Image image = read_image(process, files, memory);
  if (absent_reason(system, request.pid)) {
    return absent(fmt::format("process {} ended while it was looked at", request.pid));
  }
  Report report{fmt::format("process {} ({}), {}", who, process.name, process.program), {}, &image};
  report.findings = check_inside({process, image, files, std::nullopt, false});
  if (!image.bindings_known && image.program()->elf.dynamic_section != 0 && !can_read(memory, process)) {
    Finding finding = access_finding(system, request.pid, geteuid());
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

/// "do this" → "Do this."
std::string sentence(std::string text) {
  if (text.empty()) return text;
  text.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(text.front())));
  return text + '.';
}

/// What keeps the dynamic loader from bringing Ashlar into the program; nothing, or one finding.
Findings check_obstacle(const Program& program, const Plan& plan, const FileFacts& library) {
  const Obstacle found = obstacle(program, library, current_caller());
  if (found.empty() || plan.built_in) return {};
  Finding finding{"program", Severity::kProblem, found.reason, "It was not started.", sentence(found.remedy)};
  const std::vector<std::string>& needed = plan.object.needed;
  const bool linked = std::any_of(needed.begin(), needed.end(),
                                  [](const std::string& name) { return name.starts_with("libashlar.so"); });
  const std::string secure =
      secure_execution_reason(privileges_of(program.chain.back().path), current_caller());
  if (linked && !secure.empty() && secure == found.reason) {
    finding.severity = Severity::kNote;
    finding.meaning = "It was not started; but it is linked with Ashlar, which the loader does not drop.";
    finding.remedy = "";
  }
  return {finding};
}

/// Which Ashlar of the environment's LD_PRELOAD gave way to the one that this report looks at.
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

/// That the file that decides is a wrapper, where it isn't followed.
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

/// What is known before the start and forbids it. Where it doesn't, completes the plan.
Findings prepare(const DoctorRequest& request, const Program& program, Plan& plan) {
  plan.object = read_object(program.chain.back().path);
  plan.built_in = !plan.object.ashlar_version.empty();
  const PreloadChoice choice = choose_library(request.library);
  // Without a library, this command stands in: it is built for the same machine.
  const FileFacts facts = inspect_file(choice.error.empty() ? choice.library : std::string("/proc/self/exe"));
  if (Findings findings = check_obstacle(program, plan, facts); !findings.empty()) return findings;
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
      plan.findings = check_replaced(preload, choice.library);
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

/// What the loader and the library wrote while the program was started.
void add_messages(const std::string& messages, Findings& findings) {
  std::string_view rest = messages;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    // What the library says of its options has findings of its own.
    if (line.empty() || line.starts_with("ashlar: ASHLAR_CONF") || line.starts_with("ashlar: ashlar_conf"))
      continue;
    findings.push_back(
        {"messages", Severity::kNote, std::string(line), "Written to stderr before main.", ""});
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

int examine_program(const DoctorRequest& request, const Program& program, std::string subject) {
  Report report{std::move(subject), {}, nullptr};
  Plan plan;
  report.findings = prepare(request, program, plan);
  if (!report.findings.empty()) {
    append(report.findings, check_surroundings(read_process(Tree(), "self"), Tree()));
    return print(request, report);
  }
  const std::unique_ptr<StoppedProgram> stopped = start(plan);
  if (!stopped->error().empty()) {
    const bool followed = plan.stop == StoppedProgram::Stop::kFollowed;
    report.findings.push_back(
        {"start", Severity::kProblem, stopped->error(), "It could not be looked into.",
         followed ? "Leave --follow out: the wrapper itself is the program, or starts the program "
                    "as a child; a child is seen by --pid."
                  : "`ashlar run --verbose -- PROGRAM` runs it and asks the library."});
    add_messages(stopped->messages(), report.findings);
    append(report.findings, check_surroundings(read_process(Tree(), "self"), Tree()));
    return print(request, report);
  }
  const ProcessFacts process = read_process(Tree(), std::to_string(stopped->pid()));
  if (plan.stop == StoppedProgram::Stop::kFollowed) {
    report.subject += fmt::format(", followed to {}", process.program);
  }
  report.subject += ", stopped before main";
  Image image = read_image(process, Tree(), memory_of(stopped->pid()));
  // By the name that it was given here, not by that of the file to which a link leads.
  if (plan.stop != StoppedProgram::Stop::kFollowed) image.objects.front().path = program.path;
  report.image = &image;
  report.findings = std::move(plan.findings);
  const bool followed = plan.stop == StoppedProgram::Stop::kFollowed;
  const std::optional<Answer> answer = followed ? std::nullopt : std::optional(stopped->answer());
  append(report.findings, check_inside({process, image, Tree(), answer, plan.preloaded}));
  add_messages(stopped->messages(), report.findings);
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
  if (request.pid != 0) return examine_process(request);
  const bool own = request.words.empty();
  const std::vector<std::string> words =
      own ? std::vector<std::string>{"/proc/self/exe", "--version"} : request.words;
  const Program program = resolve_program(words, search_path_of_environment());
  if (program.found != Found::kYes) return report_missing(program);
  return examine_program(request, program, own ? std::string("a program of its own") : describe(program));
}

}  // namespace ashlar_command
