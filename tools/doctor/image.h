// The objects of a process and who gets whose malloc: the slots that the dynamic loader filled, read from
// the process's memory and matched with the objects that they point into.
//
// Judges nothing (serving_checks.h and binding_checks.h do).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "doctor/process_facts.h"
#include "elf_object.h"
#include "maps.h"

namespace ashlar_command {

/// Reads `size` bytes at an address of the process; false when that fails.
using MemoryReader = std::function<bool(std::uint64_t address, void* out, std::size_t size)>;

struct LoadedObject {
  std::string path;        // as the process sees it
  std::uint64_t bias = 0;  // what is added to the file's addresses
  ElfObject elf;

  bool is_ashlar() const { return !elf.ashlar_version.empty(); }
  bool contains(std::uint64_t address) const {
    return address >= bias + elf.low && address < bias + elf.high;
  }
};

/// The last component of the object's path.
std::string short_name(const LoadedObject& object);

/// One filled slot: `importer` calls `symbol` of `target`; both are indices of objects.
struct Binding {
  std::string symbol;
  std::size_t importer = 0;
  std::size_t target = 0;
};

/// The variable ashlar_conf, by which a program brings options of its own (docs/options.md).
struct BuiltInConf {
  std::size_t object = 0;  // that defines it
  bool seen = true;        // by the library: it is exported, or the library is linked into the program
  std::optional<std::string> text;  // what it points to; nothing: a null pointer, or not readable
};

struct Image {
  std::vector<LoadedObject> objects;  // the program first, then in the order of the loader's search
  std::vector<Binding> bindings;
  std::size_t unbound = 0;        // slots that wait for their first call
  bool bindings_known = false;    // the slots could be read
  bool other_namespaces = false;  // some objects were loaded by dlmopen: they are not in `objects`
  std::optional<BuiltInConf> conf;

  const LoadedObject* program() const { return objects.empty() ? nullptr : &objects.front(); }
  /// The first object that exports the symbol, in the order of the search; nothing: none does.
  std::optional<std::size_t> first_definer(const std::string& symbol) const;
};

/// The objects with an Ashlar that serves malloc, in the order of the search.
std::vector<std::size_t> ashlars_in(const Image& image);

/// An object as the dynamic loader lists it.
struct LinkMapEntry {
  std::uint64_t bias = 0;
  std::uint64_t dynamic_section = 0;  // its address in the process
};

struct LinkMap {
  std::vector<LinkMapEntry> entries;  // of the program's own namespace
  bool other_namespaces = false;
};

/// Walks the loader's list (r_debug, link_map of <link.h>) from the program's dynamic section at
/// `dynamic_section`. Empty when there is none yet or the memory cannot be read.
LinkMap read_link_map(const MemoryReader& memory, std::uint64_t dynamic_section);

/// Reads the slots of all objects and finds what they point into.
void read_bindings(Image& image, const MemoryReader& memory);

/// Finds the ashlar_conf that holds, or the program's where the library does not see it.
void read_conf(Image& image, const MemoryReader& memory);

/// Puts the image of a process together. `files`: where the process's files are found. Without memory
/// that can be read, the objects are those mapped, in order of address, and no bindings are known.
Image read_image(const ProcessFacts& process, const Tree& files, const MemoryReader& memory);

/// Reads /proc/PID/mem.
MemoryReader memory_of(pid_t pid);

}  // namespace ashlar_command
