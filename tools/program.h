// From the words of the command line to the file the kernel will execute.
//
// Owns the search on PATH and the resolution of "#!"; it executes nothing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "elf_file.h"

namespace ashlar_command {

enum class Found { kYes, kNo, kNotExecutable };

struct SearchResult {
  Found found = Found::kNo;
  std::string path;  // of the file, or with kNotExecutable of the first file that was passed over
};

/// Finds `name` as execvp(3) does: a name with a slash is a path, any other is searched in
/// `search_path`, where an empty element means the current directory.
SearchResult find_program(std::string_view name, std::string_view search_path);

/// The value of PATH, or what the C library searches when there is none.
std::string search_path_of_environment();

/// One file in the chain from a script to the program that runs it.
struct Link {
  std::string path;
  FileFacts facts;
};

/// What will be executed for a command line.
struct Program {
  Found found = Found::kNo;
  std::string path;               // to execute
  std::vector<std::string> argv;  // to execute it with
  std::vector<Link> chain;        // the file named, then its interpreters; the last decides
  std::string missing;            // not kYes: the file that is missing or not executable
  bool too_deep = false;          // interpreters that are scripts, deeper than the kernel follows
};

/// Finds `words[0]` and follows its interpreters. `/usr/bin/env NAME` and `/usr/bin/env -S NAME WORD...` in a
/// "#!" line are resolved as well and left out of what is executed, so that it is the interpreter that is
/// examined and that answers the load-time probe, not env.
Program resolve_program(const std::vector<std::string>& words, std::string_view search_path);

/// Whether the file is known to run programs that it is told of, in its own place or as children: a shell,
/// env, nice, … What it leads to cannot be known from outside.
bool is_wrapper(std::string_view path);

}  // namespace ashlar_command
