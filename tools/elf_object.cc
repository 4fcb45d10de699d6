// ELF objects by libelf. See elf_object.h.
#include "elf_object.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gelf.h>
#include <libelf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include "names.h"
#include "unique_fd.h"

namespace ashlar_command {
namespace {

using Handle = std::unique_ptr<Elf, decltype(&elf_end)>;

/// Whether relocations of this type hold the plain address of their symbol, and whether lazily.
struct SlotKind {
  bool slot = false;
  bool lazy = false;
};

SlotKind slot_kind(unsigned machine, std::uint64_t type) {
  if (machine == EM_X86_64) {
    return {type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT || type == R_X86_64_64,
            type == R_X86_64_JUMP_SLOT};
  }
  if (machine == EM_AARCH64) {
    return {type == R_AARCH64_JUMP_SLOT || type == R_AARCH64_GLOB_DAT || type == R_AARCH64_ABS64,
            type == R_AARCH64_JUMP_SLOT};
  }
  return {};
}

/// The version in "serving 1.2.3", which stands between two NUL bytes in every object that has the
/// library's answer to a probe (preload/probe.cc), stripped or not.
std::string version_in(std::string_view bytes) {
  constexpr std::string_view kMark("\0serving ", 9);
  for (std::size_t at = bytes.find(kMark); at != std::string_view::npos; at = bytes.find(kMark, at + 1)) {
    const std::string_view rest = bytes.substr(at + kMark.size());
    const std::string_view text = rest.substr(0, rest.find('\0'));
    const bool number = !text.empty() && text.size() < rest.size() &&
                        text.find_first_not_of("0123456789.") == std::string_view::npos;
    if (number) return std::string(text);
  }
  return {};
}

class Reader {
 public:
  Reader(Elf* elf, ElfObject& object) : elf_(elf), object_(object) {}

  void read() {
    GElf_Ehdr header{};
    if (gelf_getehdr(elf_, &header) == nullptr) return fail();
    if (gelf_getclass(elf_) != ELFCLASS64) {
      object_.error = "not a 64-bit object";
      return;
    }
    machine_ = header.e_machine;
    object_.entry = header.e_entry;
    if (!read_segments()) return fail();
    std::size_t sections = 0;
    if (elf_getshdrnum(elf_, &sections) != 0) return fail();
    if (sections == 0) {
      object_.error = "its section headers were removed";
      return;
    }
    read_sections();
    // An Ashlar without a malloc of the program's names would serve nobody.
    if (object_.defines.count("malloc") == 0 && object_.has.count("malloc") == 0 && dynamic_symbols_) return;
    for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf_, section)) != nullptr;)
      look_for_ashlar(section);
  }

 private:
  void fail() { object_.error = fmt::format("damaged: {}", elf_errmsg(-1)); }

  bool read_segments() {
    std::size_t count = 0;
    if (elf_getphdrnum(elf_, &count) != 0) return false;
    bool first = true;
    for (std::size_t i = 0; i < count; ++i) {
      GElf_Phdr segment{};
      if (gelf_getphdr(elf_, static_cast<int>(i), &segment) == nullptr) return false;
      if (segment.p_type == PT_DYNAMIC) object_.dynamic_section = segment.p_vaddr;
      if (segment.p_type != PT_LOAD) continue;
      if (first) object_.low = segment.p_vaddr;
      object_.high = std::max(object_.high, segment.p_vaddr + segment.p_memsz);
      first = false;
    }
    return true;
  }

  void read_sections() {
    for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf_, section)) != nullptr;) {
      GElf_Shdr header{};
      if (gelf_getshdr(section, &header) == nullptr) continue;
      if (header.sh_type == SHT_DYNAMIC) read_dynamic(section, header);
      if (header.sh_type == SHT_DYNSYM) dynamic_symbols_ = true;
      if (header.sh_type == SHT_DYNSYM || header.sh_type == SHT_SYMTAB) read_symbols(section, header);
      if (header.sh_type == SHT_RELA) read_relocations(section, header);
    }
  }

  void read_dynamic(Elf_Scn* section, const GElf_Shdr& header) {
    Elf_Data* const data = elf_getdata(section, nullptr);
    GElf_Dyn entry{};
    for (int i = 0; data != nullptr && gelf_getdyn(data, i, &entry) != nullptr; ++i) {
      if (entry.d_tag == DT_NULL) return;
      if (entry.d_tag == DT_SYMBOLIC) object_.symbolic = true;
      if (entry.d_tag == DT_FLAGS && (entry.d_un.d_val & DF_SYMBOLIC) != 0) object_.symbolic = true;
      if (entry.d_tag != DT_NEEDED && entry.d_tag != DT_SONAME) continue;
      const char* const text = elf_strptr(elf_, header.sh_link, entry.d_un.d_val);
      if (text == nullptr) continue;
      if (entry.d_tag == DT_NEEDED) object_.needed.emplace_back(text);
      if (entry.d_tag == DT_SONAME) object_.soname = text;
    }
  }

  void read_symbols(Elf_Scn* section, const GElf_Shdr& header) {
    Elf_Data* const data = elf_getdata(section, nullptr);
    GElf_Sym symbol{};
    for (int i = 0; data != nullptr && gelf_getsym(data, i, &symbol) != nullptr; ++i) {
      const char* const name = elf_strptr(elf_, header.sh_link, symbol.st_name);
      if (name == nullptr || !is_interesting_name(name)) continue;
      if (header.sh_type == SHT_SYMTAB) {
        if (symbol.st_shndx != SHN_UNDEF) object_.has[name] = symbol.st_value;
      } else if (symbol.st_shndx == SHN_UNDEF) {
        object_.wants[name] = symbol.st_value;
      } else if (GELF_ST_BIND(symbol.st_info) != STB_LOCAL) {
        object_.defines[name] = symbol.st_value;
      }
    }
  }

  void read_relocations(Elf_Scn* section, const GElf_Shdr& header) {
    Elf_Scn* const linked = elf_getscn(elf_, header.sh_link);
    GElf_Shdr symbols{};
    if (linked == nullptr || gelf_getshdr(linked, &symbols) == nullptr || symbols.sh_type != SHT_DYNSYM)
      return;
    Elf_Data* const data = elf_getdata(section, nullptr);
    Elf_Data* const symbol_data = elf_getdata(linked, nullptr);
    GElf_Rela entry{};
    for (int i = 0; data != nullptr && symbol_data != nullptr && gelf_getrela(data, i, &entry) != nullptr;
         ++i) {
      const SlotKind kind = slot_kind(machine_, GELF_R_TYPE(entry.r_info));
      GElf_Sym symbol{};
      if (!kind.slot || entry.r_addend != 0 ||
          gelf_getsym(symbol_data, static_cast<int>(GELF_R_SYM(entry.r_info)), &symbol) == nullptr) {
        continue;
      }
      const char* const name = elf_strptr(elf_, symbols.sh_link, symbol.st_name);
      if (name != nullptr && is_allocation_name(name)) {
        object_.slots.push_back({name, entry.r_offset, kind.lazy});
      }
    }
  }

  void look_for_ashlar(Elf_Scn* section) {
    GElf_Shdr header{};
    if (!object_.ashlar_version.empty() || gelf_getshdr(section, &header) == nullptr) return;
    const bool constants = header.sh_type == SHT_PROGBITS && (header.sh_flags & SHF_ALLOC) != 0 &&
                           (header.sh_flags & (SHF_WRITE | SHF_EXECINSTR)) == 0;
    Elf_Data* const data = constants ? elf_rawdata(section, nullptr) : nullptr;
    if (data == nullptr || data->d_buf == nullptr) return;
    object_.ashlar_version = version_in({static_cast<const char*>(data->d_buf), data->d_size});
  }

  Elf* elf_;
  ElfObject& object_;
  unsigned machine_ = 0;
  bool dynamic_symbols_ = false;
};

}  // namespace

std::string_view sanitizer_in(const ElfObject& object) {
  for (const std::string& name : object.needed) {
    if (const std::string_view tool = sanitizer_library(name); !tool.empty()) return tool;
  }
  // LeakSanitizer is a part of the others, which are named before it.
  std::string_view found;
  const auto look_at = [&](const auto& symbols) {
    for (const auto& [name, address] : symbols) {
      const std::string_view tool = name.ends_with("_init") ? sanitizer_of(name) : std::string_view{};
      if (!tool.empty() && (found.empty() || found == "LeakSanitizer")) found = tool;
    }
  };
  look_at(object.wants);
  look_at(object.defines);
  look_at(object.has);
  return found;
}

ElfObject read_object(const std::string& path) {
  ElfObject object;
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.open()) {
    object.error = std::strerror(errno);
    return object;
  }
  elf_version(EV_CURRENT);
  const Handle elf(elf_begin(file.get(), ELF_C_READ, nullptr), &elf_end);
  if (elf == nullptr || elf_kind(elf.get()) != ELF_K_ELF) {
    object.error = "not an ELF object";
    return object;
  }
  Reader(elf.get(), object).read();
  return object;
}

}  // namespace ashlar_command
