// ELF and "#!" parsing. See elf_file.h.
#include "elf_file.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "human_bytes.h"
#include "unique_fd.h"

namespace ashlar_command {
namespace {

// Program headers follow the ELF header in every file a linker writes; 256 KiB leaves room for those
// that were edited. The kernel itself reads 256 bytes for "#!".
constexpr std::size_t kReadLimit = 256 * 1024;
constexpr std::size_t kScriptLineLimit = 256;
constexpr std::size_t kNameLimit = 4096;  // PATH_MAX: the kernel takes no longer name of an interpreter
constexpr std::string_view kArchiveMagic = "!<arch>\n";

/// Reads an integer in the byte order of the file.
template <typename T>
T in_order(T value, bool swap) {
  if (!swap) return value;
  T result{};
  auto* from = reinterpret_cast<const unsigned char*>(&value);
  auto* to = reinterpret_cast<unsigned char*>(&result);
  for (std::size_t i = 0; i < sizeof(T); ++i)
    to[i] = from[sizeof(T) - 1 - i];
  return result;
}

template <typename T>
bool read_at(std::string_view bytes, std::uint64_t offset, T& out) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return false;
  std::memcpy(&out, bytes.data() + offset, sizeof(T));
  return true;
}

/// Where a file's bytes from `offset` on would be; the interpreter's name may stand behind what was read.
struct Stretch {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

/// A file of which the beginning was read.
struct Beginning {
  std::string_view bytes;
  std::uint64_t file_size = 0;

  bool has(const Stretch& stretch) const {
    return stretch.offset <= file_size && file_size - stretch.offset >= stretch.size;
  }
};

std::string text_of(std::string_view bytes) { return std::string(bytes.substr(0, bytes.find('\0'))); }

template <typename Header, typename Segment>
std::string read_segments(const Beginning& file, bool swap, FileFacts& facts, Stretch& interpreter) {
  Header header{};
  if (!read_at(file.bytes, 0, header)) {
    return fmt::format("it has {}, and the ELF header alone takes {}", human_bytes(file.file_size),
                       human_bytes(sizeof(Header)));
  }
  facts.type = in_order(header.e_type, swap);
  facts.machine = in_order(header.e_machine, swap);
  const std::uint64_t start = in_order(header.e_phoff, swap);
  const unsigned count = in_order(header.e_phnum, swap);
  const unsigned size = in_order(header.e_phentsize, swap);
  if (count > 0 && size != sizeof(Segment)) {
    return fmt::format("its program headers are said to have {} each, where {} is right", human_bytes(size),
                       human_bytes(sizeof(Segment)));
  }
  for (unsigned i = 0; i < count; ++i) {
    Segment segment{};
    if (!read_at(file.bytes, start + std::uint64_t{i} * sizeof(Segment), segment)) {
      return fmt::format("program header {} of {} lies outside the {} that the file has", i + 1, count,
                         human_bytes(file.file_size));
    }
    const Stretch stretch{in_order(segment.p_offset, swap), in_order(segment.p_filesz, swap)};
    if (!file.has(stretch)) {
      return fmt::format("segment {} of {} lies outside the {} that the file has", i + 1, count,
                         human_bytes(file.file_size));
    }
    if (in_order(segment.p_type, swap) != PT_INTERP) continue;
    facts.has_interpreter = true;
    interpreter = stretch;
  }
  return {};
}

FileFacts inspect_elf(const Beginning& file, Stretch& interpreter) {
  FileFacts facts;
  facts.kind = FileKind::kElf;
  if (file.bytes.size() < EI_NIDENT) {
    facts.damage = fmt::format("it has {}, and the ELF header alone takes {}", human_bytes(file.bytes.size()),
                               human_bytes(sizeof(Elf64_Ehdr)));
    return facts;
  }
  facts.elf_class = static_cast<std::uint8_t>(file.bytes[EI_CLASS]);
  facts.elf_data = static_cast<std::uint8_t>(file.bytes[EI_DATA]);
  const bool little = facts.elf_data == ELFDATA2LSB;
  const bool swap = little != (std::endian::native == std::endian::little);
  if (!little && facts.elf_data != ELFDATA2MSB) {
    facts.damage = fmt::format("its byte order is {}, where 1 (little-endian) or 2 (big-endian) is right",
                               facts.elf_data);
  } else if (facts.elf_class == ELFCLASS64) {
    facts.damage = read_segments<Elf64_Ehdr, Elf64_Phdr>(file, swap, facts, interpreter);
  } else if (facts.elf_class == ELFCLASS32) {
    facts.damage = read_segments<Elf32_Ehdr, Elf32_Phdr>(file, swap, facts, interpreter);
  } else {
    facts.damage = fmt::format("its class is {}, where 1 (32-bit) or 2 (64-bit) is right", facts.elf_class);
  }
  return facts;
}

/// The kernel's rule: the first word is the interpreter, all the rest one argument.
FileFacts inspect_script(std::string_view bytes) {
  constexpr std::string_view kBlank = " \t";
  FileFacts facts;
  facts.kind = FileKind::kScript;
  std::string_view line = bytes.substr(2, kScriptLineLimit - 2);
  line = line.substr(0, line.find('\n'));
  line = line.substr(0, line.find('\0'));
  const std::size_t last = line.find_last_not_of(kBlank);
  line = last == std::string_view::npos ? std::string_view{} : line.substr(0, last + 1);
  const std::size_t first = line.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return facts;
  line.remove_prefix(first);
  const std::size_t end = line.find_first_of(kBlank);
  facts.interpreter = line.substr(0, end);
  if (end == std::string_view::npos) return facts;
  line.remove_prefix(end);
  facts.script_argument = line.substr(line.find_first_not_of(kBlank));
  return facts;
}

/// Reads up to bytes.size() bytes at `offset` and shrinks `bytes` to them. Returns an errno value, 0 for
/// success.
int read_into(int fd, std::uint64_t offset, std::string& bytes) {
  std::size_t used = 0;
  int error = 0;
  while (used < bytes.size()) {
    const ssize_t got =
        pread(fd, bytes.data() + used, bytes.size() - used, static_cast<off_t>(offset + used));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) error = errno;
    if (got <= 0) break;
    used += static_cast<std::size_t>(got);
  }
  bytes.resize(used);
  return error;
}

FileFacts inspect(const Beginning& file, Stretch& interpreter) {
  const std::string_view bytes = file.bytes;
  if (bytes.substr(0, SELFMAG) == std::string_view(ELFMAG, SELFMAG)) return inspect_elf(file, interpreter);
  if (bytes.substr(0, 2) == "#!") return inspect_script(bytes);
  FileFacts facts;
  const bool text = bytes.substr(0, kScriptLineLimit).find('\0') == std::string_view::npos;
  facts.kind = text ? FileKind::kText : FileKind::kUnknown;
  if (bytes.starts_with(kArchiveMagic)) facts.kind = FileKind::kUnknown;
  return facts;
}

}  // namespace

FileFacts inspect_bytes(std::string_view bytes) {
  Stretch interpreter;
  FileFacts facts = inspect({bytes, bytes.size()}, interpreter);
  if (facts.has_interpreter) facts.interpreter = text_of(bytes.substr(interpreter.offset, interpreter.size));
  return facts;
}

FileFacts inspect_file(const std::string& path) {
  FileFacts facts;
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  if (!file.open() || fstat(file.get(), &info) != 0) {
    facts.error = errno;
    return facts;
  }
  std::string bytes(kReadLimit, '\0');
  if (const int error = read_into(file.get(), 0, bytes); error != 0) {
    facts.error = error;
    return facts;
  }
  Stretch interpreter;
  facts = inspect({bytes, std::max<std::uint64_t>(static_cast<std::uint64_t>(info.st_size), bytes.size())},
                  interpreter);
  if (!facts.has_interpreter) return facts;
  std::string name(std::min<std::uint64_t>(interpreter.size, kNameLimit), '\0');
  read_into(file.get(), interpreter.offset, name);
  facts.interpreter = text_of(name);
  return facts;
}

std::string machine_name(std::uint16_t machine, std::uint8_t elf_class) {
  static constexpr std::pair<std::uint16_t, std::string_view> kNames[] = {
      {EM_X86_64, "x86-64"}, {EM_AARCH64, "aarch64"}, {EM_386, "i386"},  {EM_ARM, "arm"},
      {EM_RISCV, "riscv"},   {EM_PPC64, "ppc64"},     {EM_S390, "s390"}, {EM_MIPS, "mips"},
      {EM_PPC, "powerpc"},   {EM_SPARCV9, "sparc64"}, {EM_68K, "m68k"},  {EM_LOONGARCH, "loongarch"},
  };
  std::string name = fmt::format("machine {}", machine);
  for (const auto& [number, known] : kNames) {
    if (number == machine) name = known;
  }
  return name + (elf_class == ELFCLASS32 ? ", 32-bit" : elf_class == ELFCLASS64 ? ", 64-bit" : "");
}

}  // namespace ashlar_command
