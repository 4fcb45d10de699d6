// Reads the first bytes of a program file: what kernel and dynamic loader will make of it.
//
// Owns nothing but the parsing; it judges nothing (obstacle.h does). Bytes may come from anywhere:
// every offset is checked against the size of the file and against what was read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ashlar_command {

enum class FileKind {
  kUnreadable,  // could not be opened or read: error says why
  kElf,
  kScript,   // starts with "#!"
  kText,     // neither, but without NUL bytes: execvp(3) hands such a file to /bin/sh
  kUnknown,  // neither ELF nor text
};

/// What an ELF header and its program headers say. Fields beyond `kind` hold for the kind named.
struct FileFacts {
  FileKind kind = FileKind::kUnreadable;
  int error = 0;  // errno of kUnreadable

  // kElf
  std::string damage;  // what is wrong with its headers and what would be right; empty: nothing
  std::uint8_t elf_class = 0;
  std::uint8_t elf_data = 0;
  std::uint16_t type = 0;  // ET_EXEC, ET_DYN, …
  std::uint16_t machine = 0;
  bool has_interpreter = false;
  std::string interpreter;  // PT_INTERP, and for kScript the path after "#!"

  // kScript: the one argument after the interpreter, as the kernel passes it; may be empty
  std::string script_argument;
};

/// Parses a file whose whole content is `bytes`.
FileFacts inspect_bytes(std::string_view bytes);

/// The same for a file: reads its headers, and the interpreter's name wherever it lies.
FileFacts inspect_file(const std::string& path);

/// "x86-64", "aarch64", …; "machine 243" for what has no name here. With ", 32-bit" where the class
/// is not the usual one.
std::string machine_name(std::uint16_t machine, std::uint8_t elf_class);

}  // namespace ashlar_command
