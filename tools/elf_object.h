// What an ELF object says to the dynamic loader: which allocation symbols it defines, which it wants and
// in which slots the loader writes their addresses.
//
// Reads the file alone (elf_file.h reads what the kernel looks at); judges nothing.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ashlar_command {

/// A word of the object's data in which the loader writes where a symbol was found.
struct Slot {
  std::string symbol;
  std::uint64_t address = 0;  // as the file counts, without the load bias
  bool lazy = false;          // may be filled at the first call only
};

struct ElfObject {
  std::string error;  // why the file could not be examined; empty: it was

  std::uint64_t entry = 0;
  std::uint64_t low = 0;  // first and end address of what is loaded, as the file counts
  std::uint64_t high = 0;
  std::uint64_t dynamic_section = 0;  // address of the dynamic section; 0: the object has none
  std::string soname;
  std::vector<std::string> needed;
  bool symbolic = false;  // DT_SYMBOLIC or DF_SYMBOLIC: its own definitions come first for itself

  // Of the names that names.h knows:
  std::map<std::string, std::uint64_t> defines;  // exported, with their address
  std::map<std::string, std::uint64_t> wants;    // undefined; the address is that of a stub, or 0
  std::map<std::string, std::uint64_t> has;      // defined, in the symbol table that strip(1) removes
  std::vector<Slot> slots;

  std::string ashlar_version;  // of an Ashlar that is in it as its malloc; empty: there is none

  /// Whether it has a symbol of this name, exported or not.
  bool has_symbol(const std::string& name) const { return defines.count(name) != 0 || has.count(name) != 0; }
  /// Whether an Ashlar for use beside another malloc is in it: libashlar_dl.so, or libashlar_api.a linked in.
  bool has_twins() const { return has_symbol("ashlar_malloc"); }
};

/// "AddressSanitizer", … when the object is built with it or is its run-time library; empty otherwise. Their
/// libraries are known by name, what is linked in by its symbols.
std::string_view sanitizer_in(const ElfObject& object);

/// Reads the object. Never throws for what is in the file: `error` says what was wrong.
ElfObject read_object(const std::string& path);

}  // namespace ashlar_command
