// traps.md 15, 16 and 39, read from the library's file: it needs libc alone, imports nothing that could
// allocate behind its back, uses static thread-local storage, exports its names without versions.
#include "support.h"

#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

namespace interface_test {
namespace {

// The dynamic section of the library, from its file.
class Library : public testing::Test {
 protected:
  void SetUp() override {
    const int file = open(expected_library().c_str(), O_RDONLY | O_CLOEXEC);
    ASSERT_GE(file, 0) << "ASHLAR_LIBRARY names no file";
    struct stat status {};
    ASSERT_EQ(fstat(file, &status), 0);
    bytes_ = static_cast<size_t>(status.st_size);
    void* const mapped = mmap(nullptr, bytes_, PROT_READ, MAP_PRIVATE, file, 0);
    close(file);
    ASSERT_NE(mapped, MAP_FAILED);
    base_ = static_cast<const char*>(mapped);
    const auto* const header = at<ElfW(Ehdr)>(0);
    sections_ = at<ElfW(Shdr)>(header->e_shoff);
    section_count_ = header->e_shnum;
    dynamic_ = section(SHT_DYNAMIC);
    symbols_ = section(SHT_DYNSYM);
    ASSERT_NE(dynamic_, nullptr);
    ASSERT_NE(symbols_, nullptr);
  }
  void TearDown() override {
    if (base_ != nullptr) {
      munmap(const_cast<char*>(base_), bytes_);
    }
  }

  template <typename T>
  const T* at(size_t offset) const {
    return reinterpret_cast<const T*>(base_ + offset);
  }

  const ElfW(Shdr) * section(unsigned type) const {
    for (size_t i = 0; i < section_count_; ++i) {
      if (sections_[i].sh_type == type) {
        return &sections_[i];
      }
    }
    return nullptr;
  }

  const char* name(size_t offset) const { return at<char>(sections_[symbols_->sh_link].sh_offset + offset); }

  std::vector<ElfW(Dyn)> dynamic(ElfW(Sxword) tag) const {
    std::vector<ElfW(Dyn)> found;
    const auto* const entries = at<ElfW(Dyn)>(dynamic_->sh_offset);
    for (size_t i = 0; i < dynamic_->sh_size / sizeof(ElfW(Dyn)); ++i) {
      if (entries[i].d_tag == tag) {
        found.push_back(entries[i]);
      }
    }
    return found;
  }

  std::set<std::string> symbol_names(bool defined) const {
    std::set<std::string> names;
    const auto* const symbols = at<ElfW(Sym)>(symbols_->sh_offset);
    for (size_t i = 1; i < symbols_->sh_size / sizeof(ElfW(Sym)); ++i) {
      if ((symbols[i].st_shndx != SHN_UNDEF) == defined) {
        names.insert(name(symbols[i].st_name));
      }
    }
    return names;
  }

 private:
  const char* base_ = nullptr;
  size_t bytes_ = 0;
  const ElfW(Shdr) * sections_ = nullptr;
  size_t section_count_ = 0;
  const ElfW(Shdr) * dynamic_ = nullptr;
  const ElfW(Shdr) * symbols_ = nullptr;
};

TEST_F(Library, NeedsLibcAlone) {
  for (const ElfW(Dyn) & needed : dynamic(DT_NEEDED)) {
    const std::string library = name(needed.d_un.d_val);
    EXPECT_TRUE(library == "libc.so.6" || library.rfind("ld-linux", 0) == 0) << library;
  }
}

TEST_F(Library, HasItsVersionedName) {
  const auto names = dynamic(DT_SONAME);
  ASSERT_EQ(names.size(), 1U);
  EXPECT_STREQ(name(names[0].d_un.d_val), "libashlar.so.1");
}

TEST_F(Library, CannotBeUnloaded) {
  const auto flags = dynamic(DT_FLAGS_1);
  ASSERT_EQ(flags.size(), 1U);
  EXPECT_NE(flags[0].d_un.d_val & DF_1_NODELETE, 0U);
}

// strdup is missing here: ASHLAR_PROBE asks by it whether libc allocates with us.
TEST_F(Library, ImportsNothingThatMayAllocate) {
  const std::set<std::string> imported = symbol_names(false);
  // dlopen and dlsym are imported for one moment only: memory is exhausted in operator new, and libstdc++
  // came after us (preload/cxx_api.cc, late_symbol). No lock is held there, and a recursion is served.
  for (const char* forbidden : {"__tls_get_addr",
                                "dlvsym",
                                "fopen",
                                "fopen64",
                                "printf",
                                "vasprintf",
                                "asprintf",
                                "getline",
                                "pthread_once",
                                "call_once",
                                "__cxa_guard_acquire",
                                "__cxa_throw",
                                "__cxa_atexit",
                                "setlocale",
                                "getaddrinfo",
                                "opendir",
                                "scandir",
                                "qsort",
                                "malloc",
                                "free",
                                "calloc",
                                "realloc"}) {
    EXPECT_EQ(imported.count(forbidden), 0U) << forbidden;
  }
}

TEST_F(Library, HasNoVersionsOfItsOwn) {
  EXPECT_TRUE(dynamic(DT_VERDEF).empty()) << "malloc under a version node interposes nothing";
}

TEST_F(Library, ExportsOnlyItsInterface) {
  const std::set<std::string> others = {"malloc",
                                        "free",
                                        "calloc",
                                        "realloc",
                                        "reallocarray",
                                        "memalign",
                                        "aligned_alloc",
                                        "posix_memalign",
                                        "valloc",
                                        "pvalloc",
                                        "malloc_usable_size",
                                        "cfree",
                                        "free_sized",
                                        "malloc_trim",
                                        "mallinfo",
                                        "mallinfo2",
                                        "malloc_info",
                                        "free_aligned_sized",
                                        "malloc_stats",
                                        "mallopt",
                                        "malloc_size",
                                        "malloc_good_size",
                                        "dlopen"};
  for (const std::string& exported : symbol_names(true)) {
    if (exported.empty()) {
      continue;  // of a section: aarch64's linker lists some
    }
    const bool ours = exported.rfind("ashlar_", 0) == 0 || exported.rfind("__libc_", 0) == 0 ||
                      exported == "__posix_memalign" || exported.rfind("_Zn", 0) == 0 ||
                      exported.rfind("_Zd", 0) == 0 || others.count(exported) != 0;
    EXPECT_TRUE(ours) << exported << " leaks out";
  }
}

}  // namespace
}  // namespace interface_test
