// What a program under a limit does with its heap, with contents checked; it ends with status 1 where
// something fails. For limits_victim.
#pragma once

#include <cstddef>

namespace interface_test {

// Ends the program: status 77, the limit can't be set here (with errno's text); status 1, a failure.
[[noreturn]] void cannot(const char* what);
void require(bool condition, const char* what);
#define REQUIRE(condition) interface_test::require(condition, #condition)

// Every path of the heap.
void use_heap();
void use_threads(int count);  // at most 64
void use_fork();

// Frees blocks linked through their first words.
void free_list(void* list);

// Uses up what the limit leaves, in small blocks and large ones, of each at least so many bytes, and has all
// of it again; threads can be made.
void exhaust(size_t least);

}  // namespace interface_test
