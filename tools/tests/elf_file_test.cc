// inspect_bytes: ELF headers, whole, damaged and of other machines; "#!" lines.
#include "elf_file.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "scratch.h"

namespace ashlar_command {
namespace {

template <typename T>
void append(std::string& bytes, const T& value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

/// A 64-bit little-endian ELF image with one program header.
std::string image(std::uint16_t machine, std::uint32_t segment_type, const std::string& interpreter) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_machine = machine;
  header.e_phoff = sizeof(header);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  Elf64_Phdr segment{};
  segment.p_type = segment_type;
  segment.p_offset = sizeof(header) + sizeof(segment);
  segment.p_filesz = interpreter.size() + 1;
  std::string bytes;
  append(bytes, header);
  append(bytes, segment);
  return bytes + interpreter + '\0';
}

TEST(ElfFile, DynamicProgram) {
  const FileFacts facts = inspect_bytes(image(EM_X86_64, PT_INTERP, "/lib64/ld-linux-x86-64.so.2"));
  EXPECT_EQ(facts.kind, FileKind::kElf);
  EXPECT_EQ(facts.damage, "");
  EXPECT_TRUE(facts.has_interpreter);
  EXPECT_EQ(facts.interpreter, "/lib64/ld-linux-x86-64.so.2");
  EXPECT_EQ(facts.machine, EM_X86_64);
}

TEST(ElfFile, StaticProgramHasNoInterpreter) {
  const FileFacts facts = inspect_bytes(image(EM_X86_64, PT_LOAD, ""));
  EXPECT_EQ(facts.damage, "");
  EXPECT_FALSE(facts.has_interpreter);
}

TEST(ElfFile, EveryTruncationIsSeenAndHarmless) {
  const std::string whole = image(EM_X86_64, PT_INTERP, "/lib/ld.so");
  for (std::size_t size = SELFMAG; size < whole.size(); ++size) {
    const FileFacts facts = inspect_bytes(std::string_view(whole).substr(0, size));
    EXPECT_EQ(facts.kind, FileKind::kElf);
    EXPECT_NE(facts.damage, "") << size;
  }
}

TEST(ElfFile, DamageIsNamedWithWhatWouldBeRight) {
  const std::string whole = image(EM_X86_64, PT_INTERP, "/lib/ld.so");
  const auto damage = [](const std::string& bytes) { return inspect_bytes(bytes).damage; };
  EXPECT_EQ(damage(whole.substr(0, 10)), "it has 10 B, and the ELF header alone takes 64 B");
  EXPECT_EQ(damage(whole.substr(0, 80)), "program header 1 of 1 lies outside the 80 B that the file has");
  EXPECT_EQ(damage(whole.substr(0, 125)), "segment 1 of 1 lies outside the 125 B that the file has");
  std::string bytes = whole;
  bytes[EI_CLASS] = 7;
  EXPECT_EQ(damage(bytes), "its class is 7, where 1 (32-bit) or 2 (64-bit) is right");
  bytes = whole;
  bytes[EI_DATA] = 9;
  EXPECT_EQ(damage(bytes), "its byte order is 9, where 1 (little-endian) or 2 (big-endian) is right");
  bytes = whole;
  bytes[offsetof(Elf64_Ehdr, e_phentsize)] = 32;
  EXPECT_EQ(damage(bytes), "its program headers are said to have 32 B each, where 56 B is right");
}

// As patchelf leaves it: the name of the loader stands at the end of a large file.
TEST(InspectFile, FindsTheInterpreterWhereverItLies) {
  std::string bytes = image(EM_X86_64, PT_INTERP, "");
  const std::string name = "/opt/ld.so";
  const Elf64_Off offset = 1 << 20;
  const Elf64_Xword size = name.size() + 1;
  const std::size_t segment = sizeof(Elf64_Ehdr);
  std::memcpy(bytes.data() + segment + offsetof(Elf64_Phdr, p_offset), &offset, sizeof(offset));
  std::memcpy(bytes.data() + segment + offsetof(Elf64_Phdr, p_filesz), &size, sizeof(size));
  bytes.resize(offset);
  const Scratch scratch;
  scratch.write("large", bytes + name + '\0');
  EXPECT_EQ(inspect_file(scratch.path("large")).damage, "");
  EXPECT_EQ(inspect_file(scratch.path("large")).interpreter, name);
}

TEST(ElfFile, OffsetsBeyondTheFile) {
  std::string bytes = image(EM_X86_64, PT_INTERP, "/lib/ld.so");
  const Elf64_Off far = ~Elf64_Off{0} - 8;
  std::string headers_far = bytes;
  std::memcpy(headers_far.data() + offsetof(Elf64_Ehdr, e_phoff), &far, sizeof(far));
  EXPECT_NE(inspect_bytes(headers_far).damage, "");
  std::memcpy(bytes.data() + sizeof(Elf64_Ehdr) + offsetof(Elf64_Phdr, p_offset), &far, sizeof(far));
  EXPECT_NE(inspect_bytes(bytes).damage, "");
}

TEST(ElfFile, BigEndian32Bit) {
  std::string bytes(sizeof(Elf32_Ehdr), '\0');
  std::memcpy(bytes.data(), ELFMAG, SELFMAG);
  bytes[EI_CLASS] = ELFCLASS32;
  bytes[EI_DATA] = ELFDATA2MSB;
  bytes[offsetof(Elf32_Ehdr, e_machine) + 1] = EM_PPC;
  const FileFacts facts = inspect_bytes(bytes);
  EXPECT_EQ(facts.machine, EM_PPC);
  EXPECT_EQ(facts.damage, "");
  EXPECT_EQ(machine_name(facts.machine, facts.elf_class), "powerpc, 32-bit");
}

TEST(ElfFile, UnknownClassAndMachine) {
  std::string bytes = image(999, PT_LOAD, "");
  EXPECT_EQ(machine_name(inspect_bytes(bytes).machine, ELFCLASS64), "machine 999, 64-bit");
  bytes[EI_CLASS] = 7;
  EXPECT_NE(inspect_bytes(bytes).damage, "");
}

TEST(Script, InterpreterAndItsOneArgument) {
  const FileFacts facts = inspect_bytes("#!  /usr/bin/env  -S python3 -u \nrest");
  EXPECT_EQ(facts.kind, FileKind::kScript);
  EXPECT_EQ(facts.interpreter, "/usr/bin/env");
  EXPECT_EQ(facts.script_argument, "-S python3 -u");
}

TEST(Script, WithoutArgumentOrNewline) {
  EXPECT_EQ(inspect_bytes("#!/bin/sh").interpreter, "/bin/sh");
  EXPECT_EQ(inspect_bytes("#!/bin/sh").script_argument, "");
  EXPECT_EQ(inspect_bytes("#!").interpreter, "");
  EXPECT_EQ(inspect_bytes("#! \t \n/bin/sh").interpreter, "");
}

TEST(OtherFiles, TextAndBinary) {
  EXPECT_EQ(inspect_bytes("echo hello\n").kind, FileKind::kText);
  EXPECT_EQ(inspect_bytes("").kind, FileKind::kText);
  EXPECT_EQ(inspect_bytes(std::string_view("MZ\0\0", 4)).kind, FileKind::kUnknown);
}

TEST(InspectFile, ReadsTheRunningProgramAndReportsErrors) {
  EXPECT_EQ(inspect_file("/proc/self/exe").kind, FileKind::kElf);
  const FileFacts missing = inspect_file("/nonexistent/program");
  EXPECT_EQ(missing.kind, FileKind::kUnreadable);
  EXPECT_EQ(missing.error, ENOENT);
  EXPECT_EQ(inspect_file("/").error, EISDIR);
}

}  // namespace
}  // namespace ashlar_command
