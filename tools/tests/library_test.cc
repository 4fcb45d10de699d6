// LD_PRELOAD and ASHLAR_CONF as lists; where the library is looked for.
#include "library.h"

#include <gtest/gtest.h>

#include <fstream>

#include "scratch.h"

namespace ashlar_command {
namespace {

TEST(JoinPreload, AppendsBehindWhatIsThere) {
  EXPECT_EQ(join_preload("", "/a/libashlar.so.1").value, "/a/libashlar.so.1");
  EXPECT_EQ(join_preload("/x.so", "/a/libashlar.so.1").value, "/x.so:/a/libashlar.so.1");
  EXPECT_EQ(join_preload("/x.so /y.so", "/a/libashlar.so.1").value, "/x.so /y.so:/a/libashlar.so.1");
}

TEST(JoinPreload, DoesNotRepeatTheLibrary) {
  const Scratch scratch;
  scratch.write("libashlar.so.1.0", "x");
  std::filesystem::create_symlink("libashlar.so.1.0", scratch.path("libashlar.so.1"));
  const std::string listed = scratch.path("libashlar.so.1.0") + " /x.so";
  const Preload preload = join_preload(listed, scratch.path("libashlar.so.1"));
  EXPECT_EQ(preload.value, listed) << "the same file, as it is spelled";
  EXPECT_TRUE(preload.replaced.empty());
}

TEST(JoinPreload, TakesThePlaceOfAnotherAshlar) {
  const Preload gone = join_preload("/w.so /gone/libashlar.so.1:/x.so", "/a/libashlar.so.1");
  EXPECT_EQ(gone.value, "/w.so:/a/libashlar.so.1:/x.so");
  EXPECT_EQ(gone.replaced, std::vector<std::string>{"/gone/libashlar.so.1"});
  EXPECT_EQ(join_preload("libashlar.so", "/a/libashlar.so.1").value, "/a/libashlar.so.1");
  const Preload two = join_preload("/b/libashlar.so.1:/a/libashlar.so.1", "/a/libashlar.so.1");
  EXPECT_EQ(two.value, "/a/libashlar.so.1") << "of two the first would serve";
  EXPECT_EQ(two.replaced.size(), 1u);
}

TEST(JoinPreload, AnotherLibraryOfSimilarNameIsNotAshlar) {
  EXPECT_EQ(join_preload("/libashlar.so/x.so", "/a/libashlar.so.1").value,
            "/libashlar.so/x.so:/a/libashlar.so.1");
  EXPECT_EQ(ashlar_entry("/x/notlibashlar.so.1"), "");
  EXPECT_EQ(ashlar_entry(" : /q.so  /b/libashlar.so.1.0.0:"), "/b/libashlar.so.1.0.0");
}

TEST(PreloadCanName, RefusesSeparatorsAndTokens) {
  EXPECT_TRUE(preload_can_name("/usr/lib/libashlar.so.1"));
  EXPECT_FALSE(preload_can_name("/my lib/libashlar.so.1"));
  EXPECT_FALSE(preload_can_name("/a:b/libashlar.so.1"));
  EXPECT_FALSE(preload_can_name("/$LIB/libashlar.so.1"));
}

TEST(JoinConf, Commas) {
  EXPECT_EQ(join_conf("", ""), "");
  EXPECT_EQ(join_conf("a:1", ""), "a:1");
  EXPECT_EQ(join_conf("", "b:2"), "b:2");
  EXPECT_EQ(join_conf("a:1", "b:2"), "a:1,b:2");
}

TEST(FindLibrary, BesideTheCommandFirstThenInSiblings) {
  const Scratch scratch;
  EXPECT_EQ(find_library_near(scratch.make_directory("bin")), "");
  scratch.make_directory("lib64");
  scratch.write("lib64/libashlar.so.1", "x");
  EXPECT_EQ(find_library_near(scratch.path("bin")), scratch.path("lib64/libashlar.so.1"));
  scratch.make_directory("lib");
  scratch.write("lib/libashlar.so.1", "x");
  EXPECT_EQ(find_library_near(scratch.path("bin")), scratch.path("lib/libashlar.so.1"));
  scratch.write("bin/libashlar.so.1", "x");
  EXPECT_EQ(find_library_near(scratch.path("bin")), scratch.path("bin/libashlar.so.1"));
}

TEST(FindLibrary, TheOneNamed) {
  const Scratch scratch;
  scratch.write("mine.so", "x");
  EXPECT_EQ(find_library(scratch.path("mine.so")), scratch.path("mine.so"));
  EXPECT_EQ(find_library(scratch.path("other.so")), scratch.path("other.so")) << "judged elsewhere";
}

}  // namespace
}  // namespace ashlar_command
