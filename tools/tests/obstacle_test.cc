// The rules of what LD_PRELOAD reaches; the answers of the probe; exit codes.
#include "obstacle.h"

#include <elf.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include "child.h"

namespace ashlar_command {
namespace {

FileFacts dynamic_file(std::uint16_t machine, const std::string& interpreter) {
  FileFacts facts;
  facts.kind = FileKind::kElf;
  facts.elf_class = ELFCLASS64;
  facts.elf_data = ELFDATA2LSB;
  facts.type = ET_DYN;
  facts.machine = machine;
  facts.has_interpreter = !interpreter.empty();
  facts.interpreter = interpreter;
  return facts;
}

const FileFacts kLibrary = dynamic_file(EM_X86_64, "");
const char* const kLoader = "/lib64/ld-linux-x86-64.so.2";

Privileges file(mode_t mode, uid_t owner, gid_t group) { return {mode, owner, group, false, false}; }

TEST(ElfObstacle, NoneForAnOrdinaryProgram) {
  EXPECT_TRUE(elf_obstacle(dynamic_file(EM_X86_64, kLoader), kLibrary).empty());
}

TEST(ElfObstacle, StaticNamesTheArchive) {
  const Obstacle found = elf_obstacle(dynamic_file(EM_X86_64, ""), kLibrary);
  EXPECT_NE(found.reason.find("statically linked"), std::string::npos);
  EXPECT_NE(found.remedy.find("libashlar.a"), std::string::npos);
}

TEST(ElfObstacle, AnotherMachineOrClass) {
  const std::string machine =
      elf_obstacle(dynamic_file(EM_AARCH64, "/lib/ld-linux-aarch64.so.1"), kLibrary).reason;
  EXPECT_NE(machine.find("another architecture (aarch64, 64-bit)"), std::string::npos) << machine;
  FileFacts x32 = dynamic_file(EM_X86_64, "/libx32/ld-linux-x32.so.2");
  x32.elf_class = ELFCLASS32;
  EXPECT_NE(elf_obstacle(x32, kLibrary).reason.find("x86-64, 32-bit"), std::string::npos);
}

TEST(ElfObstacle, MuslAndDamaged) {
  const FileFacts musl = dynamic_file(EM_X86_64, "/lib/ld-musl-x86_64.so.1");
  EXPECT_NE(elf_obstacle(musl, kLibrary).reason.find("musl"), std::string::npos);
  FileFacts damaged = dynamic_file(EM_X86_64, kLoader);
  damaged.damage = "it has 20 B";
  const Obstacle found = elf_obstacle(damaged, kLibrary);
  EXPECT_EQ(found.reason, "a damaged ELF file: it has 20 B");
  EXPECT_NE(found.remedy, "");
}

TEST(ElfObstacle, WhatIsNoProgram) {
  FileFacts object_file = dynamic_file(EM_X86_64, "");
  object_file.type = ET_REL;
  EXPECT_NE(elf_obstacle(object_file, kLibrary).reason.find("object file"), std::string::npos);
  object_file.type = ET_CORE;
  EXPECT_NE(elf_obstacle(object_file, kLibrary).reason.find("core dump"), std::string::npos);
}

TEST(SecureExecution, SetUserId) {
  const Caller user{1000, 1000, false};
  EXPECT_NE(secure_execution_reason(file(S_ISUID | 0755, 0, 0), user).find("set-user-ID"), std::string::npos);
  EXPECT_EQ(secure_execution_reason(file(S_ISUID | 0755, 1000, 0), user), "") << "changes no identity";
  EXPECT_EQ(secure_execution_reason(file(S_ISUID | 0755, 0, 0), {0, 0, false}), "");
  EXPECT_NE(secure_execution_reason(file(S_ISUID | 0755, 33, 0), {0, 0, false}), "");
}

TEST(SecureExecution, SetGroupId) {
  const Caller user{1000, 1000, false};
  EXPECT_NE(secure_execution_reason(file(S_ISGID | 0755, 0, 42), user).find("set-group-ID"),
            std::string::npos);
  EXPECT_EQ(secure_execution_reason(file(S_ISGID | 0745, 0, 42), user), "") << "mandatory locking";
}

TEST(SecureExecution, CapabilitiesCountForOrdinaryUsers) {
  Privileges capable = file(0755, 0, 0);
  capable.capabilities = true;
  EXPECT_NE(secure_execution_reason(capable, {1000, 1000, false}).find("capabilities"), std::string::npos);
  EXPECT_EQ(secure_execution_reason(capable, {0, 0, false}), "");
}

TEST(SecureExecution, NothingCountsWhereTheKernelIgnoresTheBits) {
  Privileges set_id = file(S_ISUID | 0755, 0, 0);
  EXPECT_EQ(secure_execution_reason(set_id, {1000, 1000, true}), "");
  set_id.nosuid_mount = true;
  EXPECT_EQ(secure_execution_reason(set_id, {1000, 1000, false}), "");
}

TEST(Answer, Lines) {
  EXPECT_EQ(parse_answer("serving 0.1.0").verdict, Verdict::kServing);
  EXPECT_EQ(parse_answer("serving 0.1.0").text, "0.1.0");
  EXPECT_EQ(parse_answer("not-serving free /lib/x.so").verdict, Verdict::kNotServing);
  EXPECT_EQ(parse_answer("not-serving free /lib/x.so").text, "free /lib/x.so");
  EXPECT_EQ(parse_answer("servingx").verdict, Verdict::kSilent);
  EXPECT_EQ(parse_answer("").verdict, Verdict::kSilent);
}

TEST(ExitCode, StatusOrSignal) {
  EXPECT_EQ(exit_code(7 << 8), 7);
  EXPECT_EQ(exit_code(SIGTERM), 128 + SIGTERM);
}

}  // namespace
}  // namespace ashlar_command
