// ELF and "#!" parsing. See elf_file.h.
#include "elf_file.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

namespace ashlar_command {
namespace {

// Program headers follow the ELF header in every file a linker writes; 256 KiB leaves room for those
// that were edited. The kernel itself reads 256 bytes for "#!".
constexpr std::size_t kReadLimit = 256 * 1024;
constexpr std::size_t kScriptLineLimit = 256;

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

template <typename Header, typename Segment>
void read_segments(std::string_view bytes, bool swap, FileFacts& facts) {
  Header header{};
  if (!read_at(bytes, 0, header)) {
    facts.malformed = true;
    return;
  }
  facts.machine = in_order(header.e_machine, swap);
  const std::uint64_t start = in_order(header.e_phoff, swap);
  const unsigned count = in_order(header.e_phnum, swap);
  for (unsigned i = 0; i < count; ++i) {
    Segment segment{};
    if (!read_at(bytes, start + std::uint64_t{i} * sizeof(Segment), segment)) {
      facts.malformed = true;
      return;
    }
    if (in_order(segment.p_type, swap) != PT_INTERP) continue;
    facts.has_interpreter = true;
    const std::uint64_t offset = in_order(segment.p_offset, swap);
    const std::uint64_t size = in_order(segment.p_filesz, swap);
    if (offset > bytes.size() || bytes.size() - offset < size) {
      facts.malformed = true;
      return;
    }
    const std::string_view name = bytes.substr(offset, size);
    facts.interpreter = name.substr(0, name.find('\0'));
  }
}

FileFacts inspect_elf(std::string_view bytes) {
  FileFacts facts;
  facts.kind = FileKind::kElf;
  if (bytes.size() < EI_NIDENT) {
    facts.malformed = true;
    return facts;
  }
  facts.elf_class = static_cast<std::uint8_t>(bytes[EI_CLASS]);
  facts.elf_data = static_cast<std::uint8_t>(bytes[EI_DATA]);
  const bool little = facts.elf_data == ELFDATA2LSB;
  const bool swap = little != (std::endian::native == std::endian::little);
  if (facts.elf_class == ELFCLASS64) {
    read_segments<Elf64_Ehdr, Elf64_Phdr>(bytes, swap, facts);
  } else if (facts.elf_class == ELFCLASS32) {
    read_segments<Elf32_Ehdr, Elf32_Phdr>(bytes, swap, facts);
  } else {
    facts.malformed = true;
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

/// Reads up to kReadLimit bytes. Returns an errno value, 0 for success.
int read_beginning(const std::string& path, std::string& bytes) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  bytes.resize(kReadLimit);
  std::size_t used = 0;
  int error = 0;
  while (used < bytes.size()) {
    const ssize_t got = read(fd, bytes.data() + used, bytes.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) error = errno;
    if (got <= 0) break;
    used += static_cast<std::size_t>(got);
  }
  close(fd);
  bytes.resize(used);
  return error;
}

}  // namespace

FileFacts inspect_bytes(std::string_view bytes) {
  if (bytes.substr(0, SELFMAG) == std::string_view(ELFMAG, SELFMAG)) return inspect_elf(bytes);
  if (bytes.substr(0, 2) == "#!") return inspect_script(bytes);
  FileFacts facts;
  const bool text = bytes.substr(0, kScriptLineLimit).find('\0') == std::string_view::npos;
  facts.kind = text ? FileKind::kText : FileKind::kUnknown;
  return facts;
}

FileFacts inspect_file(const std::string& path) {
  std::string bytes;
  if (const int error = read_beginning(path, bytes); error != 0) {
    FileFacts facts;
    facts.error = error;
    return facts;
  }
  return inspect_bytes(bytes);
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
