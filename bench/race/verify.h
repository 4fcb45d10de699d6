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

// symbol → files that it was bound to, from LD_DEBUG's lines. For the functions of the malloc family.
using Bindings = std::map<std::string, std::set<std::string>>;
void add_bindings(std::string_view debug_output, Bindings& bindings);

}  // namespace ashlar::bench
