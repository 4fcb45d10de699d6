// The rules of what LD_PRELOAD reaches. See obstacle.h.
#include "obstacle.h"

#include <elf.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "elf_object.h"
#include "file_name.h"

namespace ashlar_command {
namespace {

constexpr std::string_view kDropsPreload = "the dynamic loader drops LD_PRELOAD for it (secure execution)";

}  // namespace

Caller current_caller() { return {getuid(), getgid(), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1}; }

Privileges privileges_of(const std::string& path) {
  Privileges result;
  struct stat info {};
  if (stat(path.c_str(), &info) == 0) {
    result.mode = info.st_mode;
    result.owner = info.st_uid;
    result.group = info.st_gid;
  }
  result.capabilities = getxattr(path.c_str(), "security.capability", nullptr, 0) > 0;
  struct statvfs mount {};
  result.nosuid_mount = statvfs(path.c_str(), &mount) == 0 && (mount.f_flag & ST_NOSUID) != 0;
  return result;
}

std::string secure_execution_reason(const Privileges& file, const Caller& caller) {
  if (file.nosuid_mount || caller.no_new_privileges) return {};
  if ((file.mode & S_ISUID) != 0 && file.owner != caller.uid) {
    return fmt::format("set-user-ID to user {}: {}", file.owner, kDropsPreload);
  }
  // Without the group's execute bit, S_ISGID asks for mandatory locking and changes no identity.
  if ((file.mode & S_ISGID) != 0 && (file.mode & S_IXGRP) != 0 && file.group != caller.gid) {
    return fmt::format("set-group-ID to group {}: {}", file.group, kDropsPreload);
  }
  // For the real root a file's capabilities add nothing, and the kernel does not set AT_SECURE.
  if (file.capabilities && caller.uid != 0) return fmt::format("has file capabilities: {}", kDropsPreload);
  return {};
}

Obstacle elf_obstacle(const FileFacts& file, const FileFacts& library) {
  if (file.kind != FileKind::kElf) return {};
  if (!file.damage.empty()) {
    return {fmt::format("a damaged ELF file: {}", file.damage), "copy or install it again"};
  }
  const bool same = file.machine == library.machine && file.elf_class == library.elf_class &&
                    file.elf_data == library.elf_data;
  if (!same) {
    return {fmt::format("another architecture ({}); this Ashlar is for {}",
                        machine_name(file.machine, file.elf_class),
                        machine_name(library.machine, library.elf_class)),
            "name an Ashlar built for the program's architecture with --lib, or take the program's build for "
            "this one"};
  }
  if (file.type == ET_REL) return {"an object file, not a program", "link it first"};
  if (file.type == ET_CORE) return {"a core dump, not a program", "name the program that it is of"};
  if (!file.has_interpreter) {
    return {"statically linked: LD_PRELOAD can't reach it", "link libashlar.a into the program instead"};
  }
  if (file_name(file.interpreter).starts_with("ld-musl")) {
    return {fmt::format("built for musl ({}); this Ashlar is for glibc", file.interpreter),
            "take a build of the program for glibc"};
  }
  return {};
}

Obstacle sanitizer_obstacle(std::string_view tool) {
  return {fmt::format("built with {}, which brings a malloc of its own and finds errors by it", tool),
          "take a build without -fsanitize, or run this one without Ashlar"};
}

Obstacle obstacle(const Program& program, const FileFacts& library, const Caller& caller) {
  if (program.chain.empty()) return {};
  const Link& last = program.chain.back();
  if (program.too_deep) {
    return {"its interpreter is itself a script, nested deeper than the kernel follows",
            "name a program in the \"#!\" line, not a script"};
  }
  if (last.facts.kind == FileKind::kUnknown) {
    return {"neither an ELF program nor a script",
            "name an ELF program, or a script with \"#!\" in its first line"};
  }
  if (Obstacle found = elf_obstacle(last.facts, library); !found.empty()) return found;
  if (const std::string reason = secure_execution_reason(privileges_of(last.path), caller); !reason.empty()) {
    return {reason,
            "link the program with Ashlar, or name the library in /etc/ld.so.preload (for every program)"};
  }
  if (last.facts.kind == FileKind::kElf) {
    if (const std::string_view tool = sanitizer_in(read_object(last.path)); !tool.empty()) {
      return sanitizer_obstacle(tool);
    }
  }
  return {};
}

}  // namespace ashlar_command
