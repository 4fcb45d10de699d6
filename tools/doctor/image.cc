// The loader's list and the slots it filled. See image.h.
#include "doctor/image.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "file_name.h"
#include "unique_fd.h"

namespace ashlar_command {
namespace {

// More objects than any process has: a list that is torn while it is read must end somewhere.
constexpr std::size_t kMaxObjects = 10000;
constexpr std::size_t kMaxDynamicEntries = 1000;
constexpr std::size_t kMaxText = 16384;  // of options that a program brings

constexpr std::string_view kDeleted = " (deleted)";

/// Address of the loader's r_debug, from DT_DEBUG of the program; 0: not there.
std::uint64_t find_debug(const MemoryReader& memory, std::uint64_t dynamic_section) {
  for (std::size_t i = 0; i < kMaxDynamicEntries; ++i) {
    Elf64_Dyn entry{};
    if (!memory(dynamic_section + i * sizeof(entry), &entry, sizeof(entry)) || entry.d_tag == DT_NULL)
      return 0;
    if (entry.d_tag == DT_DEBUG) return entry.d_un.d_ptr;
  }
  return 0;
}

const Mapping* mapping_at(const std::vector<Mapping>& mappings, std::uint64_t address) {
  const auto found = std::find_if(mappings.begin(), mappings.end(), [&](const Mapping& mapping) {
    return address >= mapping.start && address < mapping.end;
  });
  return found == mappings.end() ? nullptr : &*found;
}

std::optional<std::size_t> object_at(const Image& image, std::uint64_t address) {
  for (std::size_t i = 0; i < image.objects.size(); ++i) {
    if (image.objects[i].contains(address)) return i;
  }
  return std::nullopt;
}

/// A position-dependent program may give a function the address of a stub of its own, which leads where the
/// program's own slot does; that slot is looked at anyway.
bool is_stub(const LoadedObject& target, const std::string& symbol, std::uint64_t address) {
  const auto wanted = target.elf.wants.find(symbol);
  return wanted != target.elf.wants.end() && wanted->second != 0 && target.bias + wanted->second == address;
}

/// The characters from `address` to the first NUL; nothing when they cannot be read or there are too many.
std::optional<std::string> read_text(const MemoryReader& memory, std::uint64_t address) {
  std::string text;
  while (text.size() < kMaxText) {
    char piece[64];
    // Aligned pieces lie in one page each, so that the end of what is mapped is no obstacle.
    const std::size_t size = sizeof(piece) - (address + text.size()) % sizeof(piece);
    if (!memory(address + text.size(), piece, size)) return std::nullopt;
    const std::string_view got(piece, size);
    text += got.substr(0, got.find('\0'));
    if (got.find('\0') != std::string_view::npos) return text;
  }
  return std::nullopt;
}

LoadedObject load(const std::string& path, const Tree& files) {
  LoadedObject object;
  object.path = path;
  if (path.ends_with(kDeleted)) {
    object.elf.error = "the file was replaced or removed since";
  } else {
    object.elf = read_object(files.real(path));
    // Where the process's root cannot be entered, its paths are tried as ours.
    if (!object.elf.error.empty()) object.elf = read_object(path);
  }
  return object;
}

/// Without the loader's list: whatever is mapped and is an ELF object.
void take_mapped(Image& image, const ProcessFacts& process, const Tree& files) {
  for (const std::string& path : mapped_files(process.maps)) {
    if (path == process.program) continue;
    LoadedObject object = load(path, files);
    if (object.elf.error == "not an ELF object") continue;
    image.objects.push_back(std::move(object));
  }
}

}  // namespace

std::string short_name(const LoadedObject& object) { return std::string(file_name(object.path)); }

std::optional<std::size_t> Image::first_definer(const std::string& symbol) const {
  for (std::size_t i = 0; i < objects.size(); ++i) {
    if (objects[i].elf.defines.count(symbol) != 0) return i;
  }
  return std::nullopt;
}

std::vector<std::size_t> ashlars_in(const Image& image) {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < image.objects.size(); ++i) {
    if (image.objects[i].is_ashlar()) found.push_back(i);
  }
  return found;
}

LinkMap read_link_map(const MemoryReader& memory, std::uint64_t dynamic_section) {
  LinkMap map;
  const std::uint64_t debug = find_debug(memory, dynamic_section);
  r_debug head{};
  if (debug == 0 || !memory(debug, &head, sizeof(head))) return map;
  // Since glibc 2.35 each namespace of dlmopen has such a head; a pointer behind the first leads to the next.
  std::uint64_t next_head = 0;
  map.other_namespaces =
      head.r_version >= 2 && memory(debug + sizeof(head), &next_head, sizeof(next_head)) && next_head != 0;
  auto next = reinterpret_cast<std::uint64_t>(head.r_map);
  while (next != 0 && map.entries.size() < kMaxObjects) {
    link_map entry{};
    if (!memory(next, &entry, sizeof(entry))) break;
    map.entries.push_back({entry.l_addr, reinterpret_cast<std::uint64_t>(entry.l_ld)});
    next = reinterpret_cast<std::uint64_t>(entry.l_next);
  }
  return map;
}

void read_bindings(Image& image, const MemoryReader& memory) {
  for (std::size_t importer = 0; importer < image.objects.size(); ++importer) {
    const LoadedObject& object = image.objects[importer];
    for (const Slot& slot : object.elf.slots) {
      std::uint64_t address = 0;
      if (!memory(object.bias + slot.address, &address, sizeof(address))) continue;
      image.bindings_known = true;
      // A weak reference that nothing answers is 0, which is in no object.
      const std::optional<std::size_t> target = object_at(image, address);
      // Before the first call, a lazy slot leads to a stub of its own object.
      const auto own = object.elf.defines.find(slot.symbol);
      const bool stub =
          target == importer && (own == object.elf.defines.end() || object.bias + own->second != address);
      if (slot.lazy && stub) {
        ++image.unbound;
      } else if (target && !is_stub(image.objects[*target], slot.symbol, address)) {
        image.bindings.push_back({slot.symbol, importer, *target});
      }
    }
  }
}

void read_conf(Image& image, const MemoryReader& memory) {
  const std::string name = "ashlar_conf";
  const LoadedObject* const program = image.program();
  if (program == nullptr) return;
  std::optional<std::size_t> definer = image.first_definer(name);
  const bool hidden = program->elf.has_symbol(name) && program->elf.defines.count(name) == 0;
  if (hidden && (program->is_ashlar() || !definer)) definer = 0;
  if (!definer) return;
  const LoadedObject& object = image.objects[*definer];
  image.conf = BuiltInConf{*definer, !hidden || program->is_ashlar(), std::nullopt};
  const auto exported = object.elf.defines.find(name);
  const std::uint64_t variable =
      object.bias + (exported != object.elf.defines.end() ? exported->second : object.elf.has.at(name));
  std::uint64_t text = 0;
  if (memory(variable, &text, sizeof(text)) && text != 0) image.conf->text = read_text(memory, text);
}

Image read_image(const ProcessFacts& process, const Tree& files, const MemoryReader& memory) {
  Image image;
  image.objects.push_back(load(process.program, files));
  LoadedObject& program = image.objects.front();
  program.bias = process.entry - program.elf.entry;
  if (!program.elf.error.empty()) program.bias = 0;
  LinkMap map;
  if (program.elf.dynamic_section != 0) {
    map = read_link_map(memory, program.bias + program.elf.dynamic_section);
  }
  const std::vector<LinkMapEntry>& entries = map.entries;
  image.other_namespaces = map.other_namespaces;
  if (entries.empty()) take_mapped(image, process, files);
  const std::vector<Mapping> mapped = mappings(process.maps);
  for (std::size_t i = 1; i < entries.size(); ++i) {
    const Mapping* const mapping = mapping_at(mapped, entries[i].dynamic_section);
    if (mapping == nullptr || mapping->path.empty()) continue;  // the kernel's vdso has no file
    LoadedObject object = load(mapping->path, files);
    object.bias = entries[i].bias;
    image.objects.push_back(std::move(object));
  }
  if (!entries.empty()) read_bindings(image, memory);
  read_conf(image, memory);
  return image;
}

MemoryReader memory_of(pid_t pid) {
  const auto file =
      std::make_shared<UniqueFd>(open(fmt::format("/proc/{}/mem", pid).c_str(), O_RDONLY | O_CLOEXEC));
  return [file](std::uint64_t address, void* out, std::size_t size) {
    return file->open() &&
           pread(file->get(), out, size, static_cast<off_t>(address)) == static_cast<ssize_t>(size);
  };
}

}  // namespace ashlar_command
