// Makes sure that an allocator really serves: a preload that silently failed compares glibc with
// glibc. All functions throw std::runtime_error with what was found instead.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "race/allocators.h"
#include "race/child.h"

namespace ashlar::bench {

// Runs the probe `who_serves` (beside this program) under the allocator. A library that lacks
// malloc_usable_size is complained about on standard error, since programs that call it would crash.
void verify_with_probe(const Allocator& allocator);

// Runs the program once, untimed, with the dynamic loader's own record of its bindings
// (LD_DEBUG=bindings), and checks that it and every process it starts take malloc and free from the
// allocator. A program linked statically, or with a hidden allocator of its own, is found out.
void verify_program(const Allocator& allocator, ChildSpec spec);

// symbol → file it was bound to → files that were bound so, from LD_DEBUG's lines. For the functions of the
// malloc family.
using Bindings = std::map<std::string, std::map<std::string, std::set<std::string>>>;
void add_bindings(std::string_view debug_output, Bindings& bindings);

// What is wrong with who serves the function, empty if nothing is. In a program at a fixed address, others
// may be bound to a stub of the program's own: right where the program itself is bound to the allocator.
std::string wrong_server(const Allocator& allocator, const std::string& function, const Bindings& bindings);

}  // namespace ashlar::bench
