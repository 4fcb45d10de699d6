// PATH search and the way from a script to its interpreter.
#include "program.h"

#include <gtest/gtest.h>

#include "scratch.h"

namespace ashlar_command {
namespace {

using Words = std::vector<std::string>;

TEST(FindProgram, FirstExecutableOnThePath) {
  const Scratch scratch;
  const std::string a = scratch.make_directory("a");
  const std::string b = scratch.make_directory("b");
  scratch.write("a/tool", "x");
  scratch.write("b/tool", "x", true);
  const SearchResult result = find_program("tool", a + ":" + b);
  EXPECT_EQ(result.found, Found::kYes);
  EXPECT_EQ(result.path, b + "/tool");
}

TEST(FindProgram, NotExecutableAndNotFound) {
  const Scratch scratch;
  const std::string a = scratch.make_directory("a");
  scratch.make_directory("a/folder");
  scratch.write("a/tool", "x");
  EXPECT_EQ(find_program("tool", a).found, Found::kNotExecutable);
  EXPECT_EQ(find_program("folder", a).found, Found::kNotExecutable);
  EXPECT_EQ(find_program("none", a).found, Found::kNo);
  EXPECT_EQ(find_program("", a).found, Found::kNo);
  EXPECT_EQ(find_program(a + "/none", "").found, Found::kNo);
}

TEST(FindProgram, EmptyElementIsTheCurrentDirectory) {
  const Scratch scratch;
  scratch.write("tool_in_cwd", "x", true);
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(scratch.path(""));
  EXPECT_EQ(find_program("tool_in_cwd", "/nonexistent:").path, "./tool_in_cwd");
  EXPECT_EQ(find_program("tool_in_cwd", "/nonexistent").found, Found::kNo);
  std::filesystem::current_path(before);
}

TEST(ResolveProgram, ScriptWithArgument) {
  const Scratch scratch;
  scratch.write("script", "#!/bin/sh -e\n", true);
  const Program program = resolve_program({scratch.path("script"), "x"}, "");
  EXPECT_EQ(program.found, Found::kYes);
  EXPECT_EQ(program.path, "/bin/sh");
  EXPECT_EQ(program.argv, (Words{"/bin/sh", "-e", scratch.path("script"), "x"}));
  ASSERT_EQ(program.chain.size(), 2u);
  EXPECT_EQ(program.chain.back().facts.kind, FileKind::kElf);
}

TEST(ResolveProgram, EnvIsLookedThrough) {
  const Scratch scratch;
  scratch.write("script", "#!/usr/bin/env sh\n", true);
  const Program program = resolve_program({scratch.path("script"), "x"}, "/usr/bin:/bin");
  EXPECT_EQ(program.argv, (Words{"sh", scratch.path("script"), "x"}));
  EXPECT_TRUE(program.path == "/usr/bin/sh" || program.path == "/bin/sh") << program.path;
}

TEST(ResolveProgram, EnvThatOnlySplitsItsWordsIsLookedThrough) {
  const Scratch scratch;
  scratch.write("script", "#!/usr/bin/env -S sh -e  -u\n", true);
  const Program program = resolve_program({scratch.path("script"), "x"}, "/usr/bin:/bin");
  EXPECT_EQ(program.argv, (Words{"sh", "-e", "-u", scratch.path("script"), "x"}));
}

TEST(ResolveProgram, EnvWithMoreToDoIsLeftToItself) {
  const Scratch scratch;
  for (const char* const words : {"-S X=1 sh", "-S -i sh", "-S sh '-e'", "X=1", "-i", "-S"}) {
    scratch.write("script", std::string("#!/usr/bin/env ") + words + "\n", true);
    const Program program = resolve_program({scratch.path("script")}, "/usr/bin:/bin");
    EXPECT_EQ(program.path, "/usr/bin/env") << words;
    EXPECT_EQ(program.argv, (Words{"/usr/bin/env", words, scratch.path("script")}));
  }
}

TEST(Wrapper, ByTheNameOfItsFile) {
  EXPECT_TRUE(is_wrapper("/usr/bin/bash"));
  EXPECT_TRUE(is_wrapper("nice"));
  EXPECT_FALSE(is_wrapper("/usr/bin/python3.11"));
  EXPECT_FALSE(is_wrapper("/bin/bash/program"));
}

TEST(ResolveProgram, TextWithoutInterpreterGoesToTheShell) {
  const Scratch scratch;
  scratch.write("script", "exit 3\n", true);
  const Program program = resolve_program({scratch.path("script"), "x"}, "");
  EXPECT_EQ(program.argv, (Words{"/bin/sh", scratch.path("script"), "x"}));
}

TEST(ResolveProgram, MissingInterpreterIsNamed) {
  const Scratch scratch;
  scratch.write("script", "#!/nonexistent/interpreter\n", true);
  Program program = resolve_program({scratch.path("script")}, "");
  EXPECT_EQ(program.found, Found::kNo);
  EXPECT_EQ(program.missing, "/nonexistent/interpreter");
  scratch.write("script", "#!/usr/bin/env no_such_program_here\n", true);
  program = resolve_program({scratch.path("script")}, "/usr/bin");
  EXPECT_EQ(program.missing, "no_such_program_here");
}

TEST(ResolveProgram, ScriptsInCircles) {
  const Scratch scratch;
  scratch.write("script", "#!" + scratch.path("script") + "\n", true);
  EXPECT_TRUE(resolve_program({scratch.path("script")}, "").too_deep);
}

}  // namespace
}  // namespace ashlar_command
