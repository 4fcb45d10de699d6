// LD_PRELOAD and ASHLAR_CONF as lists; where the library is looked for.
#include "library.h"

#include <gtest/gtest.h>

#include <fstream>

#include "scratch.h"

namespace ashlar_command {
namespace {

TEST(JoinPreload, AppendsBehindWhatIsThere) {
  EXPECT_EQ(join_preload("", "/a/libashlar.so.1"), "/a/libashlar.so.1");
  EXPECT_EQ(join_preload("/x.so", "/a/libashlar.so.1"), "/x.so:/a/libashlar.so.1");
  EXPECT_EQ(join_preload("/x.so /y.so", "/a/libashlar.so.1"), "/x.so /y.so:/a/libashlar.so.1");
}

TEST(JoinPreload, DoesNotRepeatAshlar) {
  EXPECT_EQ(join_preload("/b/libashlar.so.1:/x.so", "/a/libashlar.so.1"), "/b/libashlar.so.1:/x.so");
  EXPECT_EQ(join_preload("libashlar.so", "/a/libashlar.so.1"), "libashlar.so");
}

TEST(JoinPreload, AnotherLibraryOfSimilarNameIsNotAshlar) {
  EXPECT_EQ(join_preload("/libashlar.so/x.so", "/a/libashlar.so.1"), "/libashlar.so/x.so:/a/libashlar.so.1");
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
  EXPECT_EQ(find_library(scratch.path("other.so")), "");
  EXPECT_EQ(find_library(scratch.path("")), "") << "a directory is no library";
}

}  // namespace
}  // namespace ashlar_command
