// Why LD_PRELOAD cannot bring Ashlar into a program, decided before it is started.
//
// Owns the rules; reads the file's mode, attributes and mount flags, and nothing of a process.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "elf_file.h"
#include "program.h"

namespace ashlar_command {

/// Who executes: what the kernel compares a file's privileges with.
struct Caller {
  uid_t uid = 0;
  gid_t gid = 0;
  bool no_new_privileges = false;  // prctl(PR_SET_NO_NEW_PRIVS): set-id bits do nothing
};
Caller current_caller();

/// What matters of a file's privileges.
struct Privileges {
  mode_t mode = 0;
  uid_t owner = 0;
  gid_t group = 0;
  bool capabilities = false;  // has the attribute security.capability
  bool nosuid_mount = false;
};
Privileges privileges_of(const std::string& path);

/// Why the dynamic loader would run the file in secure-execution mode and so drop LD_PRELOAD
/// (ld.so(8), AT_SECURE); empty when it would not.
std::string secure_execution_reason(const Privileges& file, const Caller& caller);

/// Why Ashlar cannot serve a program, and what to do; `reason` is empty when nothing speaks against it.
struct Obstacle {
  std::string reason;
  std::string remedy;

  bool empty() const { return reason.empty(); }
};

/// Whether an ELF file can load the library `library`.
Obstacle elf_obstacle(const FileFacts& file, const FileFacts& library);

/// What to say of a program that `tool` (as sanitizer_in names it) was built into.
Obstacle sanitizer_obstacle(std::string_view tool);

/// Whether Ashlar can serve the program. A file that may be executed but not read has no obstacle that can be
/// seen.
Obstacle obstacle(const Program& program, const FileFacts& library, const Caller& caller);

}  // namespace ashlar_command
