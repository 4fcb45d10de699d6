// System calls that the kernel refuses this program, by seccomp filters. For limits_victim.
#pragma once

namespace interface_test {

// From now on the kernel answers this system call with EPERM.
void refuse(long number);

// Uses the heap with the call of this name refused: from now on, or in a program that starts with it refused
// and the argument `plain` (argv is this one's). Status 2 where the name is not known.
void use_with_refusal(const char* name, bool before_start, char** argv);

// Prints `went on`, and uses the heap where the kernel kills at any call that not every malloc makes.
[[noreturn]] void live_in_a_sandbox();

}  // namespace interface_test
