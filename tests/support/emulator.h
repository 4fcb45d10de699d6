// Programs of another machine run in an emulator (preset `aarch64`: qemu-user), which runs the one program
// that it was given: what that executes is the host's own, or nothing. Tests that start a program ask here.
#pragma once

#include <cstdlib>
#include <string>
#include <vector>

namespace ashlar::test {

// The emulator's command, a comma behind each word; empty where the tests run on their own machine.
inline constexpr const char* kEmulator = ASHLAR_TEST_EMULATOR;
inline constexpr bool kEmulated = *kEmulator != '\0';

// In qemu-user 7.2 the forked child of a process with threads dies of an assertion of the emulator's
// (`cpu == current_cpu`) when it starts one.
inline constexpr bool kThreadsInForkedChildren = !kEmulated;

// The stderr of a program that a signal has ended, without the line that the emulator adds itself.
inline std::string without_emulators_line(std::string text) {
  const size_t at = kEmulated ? text.rfind("qemu: uncaught target signal ") : std::string::npos;
  if (at != std::string::npos) text.erase(at);
  return text;
}

// The command that runs `arguments`, a program of this machine's kind, with the environment as it is now.
// Changes the environment where there is an emulator: what the loader shall preload into the program must not
// be preloaded into the emulator. To be called right before exec, in the child.
inline std::vector<std::string> command_of(const std::vector<std::string>& arguments) {
  if (!kEmulated) return arguments;
  std::vector<std::string> command;
  std::string word;
  for (const char* at = kEmulator; *at != '\0'; ++at) {
    if (*at != ',') {
      word += *at;
    } else if (!word.empty()) {
      command.push_back(word);
      word.clear();
    }
  }
  command.insert(command.begin(), {"/usr/bin/env"});  // looks the emulator up in PATH
  const char* const preload = std::getenv("LD_PRELOAD");
  if (preload != nullptr && *preload != '\0') {
    command.insert(command.end(), {"-E", std::string("LD_PRELOAD=") + preload});
  }
  unsetenv("LD_PRELOAD");
  unsetenv("QEMU_SET_ENV");
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

}  // namespace ashlar::test
