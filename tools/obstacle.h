// Why LD_PRELOAD cannot bring Ashlar into a program, decided before it is started.
//
// Owns the rules; reads the file's mode, attributes and mount flags, and nothing of a process.
#pragma once

#include <sys/types.h>

#include <string>

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

/// Why an ELF file cannot load the library `library`; empty when it can.
std::string elf_obstacle(const FileFacts& file, const FileFacts& library);

/// Why Ashlar cannot serve the program; empty when nothing speaks against it. A file that may be
/// executed but not read has no obstacle that can be seen.
std::string obstacle(const Program& program, const FileFacts& library, const Caller& caller);

}  // namespace ashlar_command
