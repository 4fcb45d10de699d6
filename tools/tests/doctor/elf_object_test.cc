// read_object on modules built for it, whole and damaged.
#include "elf_object.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>

#include "scratch.h"

namespace ashlar_command {
namespace {

std::string bytes_of(const std::string& path) {
  std::ostringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return bytes.str();
}

bool has_slot(const ElfObject& object, const std::string& symbol) {
  return std::any_of(object.slots.begin(), object.slots.end(), [&](const Slot& slot) {
    return slot.symbol == symbol && slot.address >= object.low && slot.address < object.high;
  });
}

TEST(ElfObject, WhatACallerWants) {
  const ElfObject caller = read_object(ASHLAR_FIXTURE_CALLER);
  ASSERT_EQ(caller.error, "");
  for (const char* const symbol : {"malloc", "free", "posix_memalign", "_Znwm"}) {
    EXPECT_EQ(caller.wants.count(symbol), 1u) << symbol;
    EXPECT_TRUE(has_slot(caller, symbol)) << symbol;
  }
  EXPECT_EQ(caller.wants.count("mallocx"), 1u);
  EXPECT_TRUE(caller.defines.empty());
  EXPECT_FALSE(caller.symbolic);
  EXPECT_EQ(caller.ashlar_version, "");
  EXPECT_NE(caller.dynamic_section, 0u);
  EXPECT_NE(std::find(caller.needed.begin(), caller.needed.end(), "libc.so.6"), caller.needed.end());
}

TEST(ElfObject, WhatADefinerHas) {
  const ElfObject definer = read_object(ASHLAR_FIXTURE_DEFINER);
  ASSERT_EQ(definer.error, "");
  EXPECT_EQ(definer.defines.count("malloc"), 1u);
  EXPECT_EQ(definer.defines.count("free"), 1u);
  EXPECT_EQ(definer.defines.count("__asan_init"), 1u);
  EXPECT_EQ(definer.wants.count("malloc"), 0u);
  EXPECT_TRUE(definer.symbolic);
  EXPECT_EQ(definer.ashlar_version, "");
}

TEST(ElfObject, AshlarIsKnownByWhatItAnswersAndThisTestIsNot) {
  EXPECT_EQ(read_object(ASHLAR_LIBRARY).ashlar_version, ASHLAR_VERSION);
  EXPECT_EQ(read_object(ASHLAR_LIBRARY).soname, "libashlar.so.1");
  EXPECT_EQ(read_object("/proc/self/exe").ashlar_version, "");
}

TEST(ElfObject, WhatIsNoObject) {
  const Scratch scratch;
  scratch.write("text", "hello");
  EXPECT_EQ(read_object(scratch.path("text")).error, "not an ELF object");
  EXPECT_EQ(read_object(scratch.path("none")).error, "No such file or directory");
  std::string bytes = bytes_of(ASHLAR_FIXTURE_CALLER);
  bytes[EI_CLASS] = ELFCLASS32;
  scratch.write("32", bytes);
  EXPECT_NE(read_object(scratch.path("32")).error, "");
}

TEST(ElfObject, WithoutSectionHeaders) {
  const Scratch scratch;
  std::string bytes = bytes_of(ASHLAR_FIXTURE_CALLER);
  std::memset(bytes.data() + offsetof(Elf64_Ehdr, e_shoff), 0, sizeof(Elf64_Off));
  std::memset(bytes.data() + offsetof(Elf64_Ehdr, e_shnum), 0, sizeof(Elf64_Half));
  scratch.write("stripped", bytes);
  const ElfObject object = read_object(scratch.path("stripped"));
  EXPECT_EQ(object.error, "its section headers were removed");
  EXPECT_NE(object.dynamic_section, 0u) << "the segments are still read";
}

TEST(ElfObject, TruncatedAnywhereItIsHarmless) {
  const Scratch scratch;
  const std::string bytes = bytes_of(ASHLAR_FIXTURE_CALLER);
  const std::size_t step = std::max<std::size_t>(bytes.size() / 200, 1);
  for (std::size_t size = 0; size < bytes.size(); size += step) {
    scratch.write("cut", std::string_view(bytes).substr(0, size));
    const ElfObject object = read_object(scratch.path("cut"));
    // The section headers stand at the end: without them nothing is claimed.
    EXPECT_NE(object.error, "") << size;
    EXPECT_TRUE(object.slots.empty()) << size;
  }
}

TEST(ElfObject, DamagedAnywhereItIsHarmless) {
  const Scratch scratch;
  const std::string bytes = bytes_of(ASHLAR_FIXTURE_CALLER);
  for (std::size_t at = 0; at < bytes.size(); at += 97) {
    std::string damaged = bytes;
    for (std::size_t i = at; i < std::min(at + 8, bytes.size()); ++i)
      damaged[i] = static_cast<char>(0xff);
    scratch.write("damaged", damaged);
    const ElfObject object = read_object(scratch.path("damaged"));
    EXPECT_LE(object.slots.size(), 100u) << at;
  }
}

}  // namespace
}  // namespace ashlar_command
