// The readers of `ashlar doctor` and `ashlar run` that look into program files, with any file: the ELF object
// by libelf (tools/elf_object.h), its first bytes (tools/elf_file.h), and a list of loaded objects in
// memory that may say anything (read_link_map). What they report must be in the file, and the two agree.
#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <string_view>

#include "doctor/image.h"
#include "elf_file.h"
#include "elf_object.h"
#include "names.h"
#include "target.h"

namespace ashlar_command {
namespace {

bool holds(std::string_view file, std::string_view text) { return file.find(text) != std::string_view::npos; }

// A file without a name, of which nothing is left when it is closed.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view content) : fd_(memfd_create("fuzz", MFD_CLOEXEC)) {
    EXPECT_EQ(write(fd_, content.data(), content.size()), static_cast<ssize_t>(content.size()));
  }
  ~MemoryFile() { close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

void check_object(std::string_view file, const ElfObject& object) {
  for (const std::string& needed : object.needed)
    ASSERT_TRUE(holds(file, needed)) << needed;
  ASSERT_TRUE(holds(file, object.soname));
  ASSERT_TRUE(holds(file, object.ashlar_version));
  for (const auto* symbols : {&object.defines, &object.wants}) {
    for (const auto& [name, address] : *symbols) {
      ASSERT_TRUE(is_interesting_name(name)) << name;
      ASSERT_TRUE(holds(file, name)) << name;
    }
  }
  for (const Slot& slot : object.slots)
    ASSERT_TRUE(is_allocation_name(slot.symbol) && holds(file, slot.symbol)) << slot.symbol;
}

void check_facts(std::string_view file, const FileFacts& facts) {
  ASSERT_TRUE(holds(file, facts.interpreter));
  ASSERT_TRUE(holds(file, facts.script_argument));
  ASSERT_EQ(facts.kind == FileKind::kElf, file.substr(0, SELFMAG) == ELFMAG);
  ASSERT_EQ(facts.kind == FileKind::kScript, file.substr(0, 2) == "#!");
  ASSERT_NE(facts.kind, FileKind::kUnreadable);
  static_cast<void>(machine_name(facts.machine, facts.elf_class));
}

// The file as the memory of a process, from address 64 KiB on.
void check_link_map(std::string_view file) {
  constexpr std::uint64_t kBase = 0x10000;
  const MemoryReader memory = [file](std::uint64_t address, void* out, std::size_t size) {
    if (address < kBase || address - kBase > file.size() || file.size() - (address - kBase) < size)
      return false;
    std::memcpy(out, file.data() + (address - kBase), size);
    return true;
  };
  ASSERT_LE(read_link_map(memory, kBase).entries.size(), 10000u);
  Image image;
  image.objects.resize(2);
  image.objects[0].elf.slots = {{"malloc", kBase, false}, {"free", kBase + 8, true}};
  image.objects[1].elf.high = kBase;
  image.objects[1].elf.wants["malloc"] = 64;
  read_bindings(image, memory);
  ASSERT_LE(image.bindings.size() + image.unbound, 2u);
  for (const Binding& binding : image.bindings)
    ASSERT_LT(binding.target, image.objects.size());
}

void run(const std::string& file) {
  const ElfObject object = read_object(MemoryFile(file).path());
  check_object(file, object);
  const FileFacts facts = inspect_bytes(file);
  check_facts(file, facts);
  if (object.error.empty()) {
    ASSERT_EQ(facts.kind, FileKind::kElf);
    ASSERT_EQ(facts.elf_class, ELFCLASS64);
  }
  check_link_map(file);
}

}  // namespace
}  // namespace ashlar_command

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ashlar_command::run(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
