// The loader's list and the slots, from a memory made by hand; and from this very process.
#include "doctor/image.h"

#include <gtest/gtest.h>
#include <link.h>
#include <unistd.h>

#include <cstring>

namespace ashlar_command {
namespace {

/// Bytes at addresses.
class FakeMemory {
 public:
  template <typename T>
  void put(std::uint64_t address, const T& value) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(&value);
    for (std::size_t i = 0; i < sizeof(T); ++i)
      bytes_[address + i] = bytes[i];
  }
  MemoryReader reader() const {
    return [this](std::uint64_t address, void* out, std::size_t size) {
      for (std::size_t i = 0; i < size; ++i) {
        const auto byte = bytes_.find(address + i);
        if (byte == bytes_.end()) return false;
        static_cast<unsigned char*>(out)[i] = byte->second;
      }
      return true;
    };
  }

 private:
  std::map<std::uint64_t, unsigned char> bytes_;
};

template <typename T>
T* pointer(std::uint64_t address) {
  return reinterpret_cast<T*>(address);
}

Elf64_Dyn dynamic(Elf64_Sxword tag, Elf64_Xword value) {
  Elf64_Dyn entry{};
  entry.d_tag = tag;
  entry.d_un.d_val = value;
  return entry;
}

class LinkMapTest : public ::testing::Test {
 protected:
  /// r_debug at 0x2000 with two objects.
  void write_list(int version) {
    memory_.put(0x1000, dynamic(DT_NEEDED, 1));
    memory_.put(0x1000 + sizeof(Elf64_Dyn), dynamic(DT_DEBUG, 0x2000));
    r_debug head{};
    head.r_version = version;
    head.r_map = pointer<link_map>(0x3000);
    memory_.put(0x2000, head);
    link_map first{};
    first.l_addr = 0x10000;
    first.l_ld = pointer<Elf64_Dyn>(0x10100);
    first.l_next = pointer<link_map>(0x4000);
    memory_.put(0x3000, first);
    link_map second{};
    second.l_addr = 0x20000;
    second.l_ld = pointer<Elf64_Dyn>(0x20100);
    memory_.put(0x4000, second);
  }
  FakeMemory memory_;
};

TEST_F(LinkMapTest, InTheLoadersOrder) {
  write_list(1);
  const LinkMap map = read_link_map(memory_.reader(), 0x1000);
  ASSERT_EQ(map.entries.size(), 2u);
  EXPECT_EQ(map.entries[0].bias, 0x10000u);
  EXPECT_EQ(map.entries[1].bias, 0x20000u);
  EXPECT_EQ(map.entries[1].dynamic_section, 0x20100u);
  EXPECT_FALSE(map.other_namespaces);
}

TEST_F(LinkMapTest, AnotherNamespace) {
  write_list(2);
  memory_.put(0x2000 + sizeof(r_debug), std::uint64_t{0});
  EXPECT_FALSE(read_link_map(memory_.reader(), 0x1000).other_namespaces);
  memory_.put(0x2000 + sizeof(r_debug), std::uint64_t{0x5000});
  EXPECT_TRUE(read_link_map(memory_.reader(), 0x1000).other_namespaces);
  write_list(1);  // an older loader: what stands behind its head is something else
  EXPECT_FALSE(read_link_map(memory_.reader(), 0x1000).other_namespaces);
}

TEST_F(LinkMapTest, AListThatLeadsInACircleEnds) {
  write_list(1);
  link_map looped{};
  looped.l_next = pointer<link_map>(0x3000);
  memory_.put(0x4000, looped);
  EXPECT_EQ(read_link_map(memory_.reader(), 0x1000).entries.size(), 10000u);
}

TEST_F(LinkMapTest, NothingBeforeTheLoaderWroteItOrWithoutMemory) {
  memory_.put(0x1000, dynamic(DT_DEBUG, 0));
  EXPECT_TRUE(read_link_map(memory_.reader(), 0x1000).entries.empty());
  EXPECT_TRUE(read_link_map(memory_.reader(), 0x9000).entries.empty());
}

LoadedObject object_at(std::uint64_t bias, const std::string& path) {
  LoadedObject object;
  object.path = path;
  object.bias = bias;
  object.elf.low = 0;
  object.elf.high = 0x1000;
  return object;
}

TEST(Bind, SlotsOfAllKinds) {
  Image image;
  image.objects = {object_at(0x10000, "/program"), object_at(0x20000, "/libc.so.6"),
                   object_at(0x30000, "/lib.so")};
  image.objects[0].elf.wants["free"] = 0x100;  // the program's stub for free
  image.objects[1].elf.defines["malloc"] = 0x200;
  image.objects[1].elf.slots = {{"malloc", 0x800, true}};
  image.objects[2].elf.slots = {
      {"malloc", 0x800, false}, {"free", 0x808, false}, {"calloc", 0x810, true}, {"_Znwm", 0x818, false}};
  FakeMemory memory;
  memory.put(0x20800, std::uint64_t{0x20300});  // not malloc itself: libc's own stub, waiting
  memory.put(0x30800, std::uint64_t{0x20200});  // libc's malloc
  memory.put(0x30808, std::uint64_t{0x10100});  // the program's stub
  memory.put(0x30810, std::uint64_t{0x30400});  // its own stub, waiting
  memory.put(0x30818, std::uint64_t{0});        // weak, and nobody has it
  read_bindings(image, memory.reader());
  EXPECT_TRUE(image.bindings_known);
  EXPECT_EQ(image.unbound, 2u);
  ASSERT_EQ(image.bindings.size(), 1u);
  EXPECT_EQ(image.bindings[0].symbol, "malloc");
  EXPECT_EQ(image.bindings[0].importer, 2u);
  EXPECT_EQ(image.bindings[0].target, 1u);

  memory.put(0x20800, std::uint64_t{0x20200});  // bound: to itself
  Image again = image;
  again.bindings.clear();
  read_bindings(again, memory.reader());
  ASSERT_EQ(again.bindings.size(), 2u);
  EXPECT_EQ(again.bindings[0].target, 1u);
}

TEST(Bind, MemoryThatCannotBeReadLeavesThemUnknown) {
  Image image;
  image.objects = {object_at(0x10000, "/program")};
  image.objects[0].elf.slots = {{"malloc", 0x800, false}};
  read_bindings(image, FakeMemory().reader());
  EXPECT_FALSE(image.bindings_known);
  EXPECT_TRUE(image.bindings.empty());
}

TEST(ReadImage, ThisProcess) {
  const ProcessFacts process = read_process(Tree(), "self");
  const Image image = read_image(process, Tree(), memory_of(getpid()));
  ASSERT_TRUE(image.bindings_known);
  EXPECT_EQ(image.program()->path, process.program);
  const auto definer = image.first_definer("malloc");
  ASSERT_TRUE(definer);
  // The program calls malloc through gtest and the C++ library, and they get what the loader gives everybody.
  std::size_t bound = 0;
  for (const Binding& binding : image.bindings) {
    if (binding.symbol != "malloc") continue;
    ++bound;
    EXPECT_EQ(image.objects[binding.target].path, image.objects[*definer].path);
  }
  EXPECT_GT(bound, 0u);
}

TEST(ReadImage, WithoutMemoryTheMappedFilesAreThere) {
  const ProcessFacts process = read_process(Tree(), "self");
  const Image image = read_image(process, Tree(), FakeMemory().reader());
  EXPECT_FALSE(image.bindings_known);
  EXPECT_GT(image.objects.size(), 2u);
  EXPECT_EQ(image.program()->path, process.program);
}

}  // namespace
}  // namespace ashlar_command
