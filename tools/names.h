// Which symbols allocate, whose they are, and which betray a sanitizer.
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace ashlar_command {

/// malloc(3) and its family, and every operator new and delete: what a program calls and Ashlar serves.
bool is_allocation_name(std::string_view symbol);

/// operator new or delete, by its mangled name.
bool is_operator_name(std::string_view symbol);

/// "jemalloc" for mallocx, "mimalloc" for mi_malloc, …: names that one allocator alone has; empty for
/// others.
std::string_view allocator_of(std::string_view symbol);

/// Whether allocator_of's function takes or gives blocks; the others only report and set.
bool gives_blocks(std::string_view symbol);

/// "AddressSanitizer" for __asan_init, …; empty for others.
std::string_view sanitizer_of(std::string_view symbol);

/// "AddressSanitizer" for libasan.so.8, libclang_rt.asan-x86_64.so, …: run-time libraries that bring a
/// malloc; empty for others.
std::string_view sanitizer_library(std::string_view file_name);

/// Any of the above, or a name that tells how the object loads others.
bool is_interesting_name(std::string_view symbol);

using Names = std::set<std::string>;

/// The first few of the names, readable, and how many more there are.
std::string shown(const Names& names);

/// As a programmer writes it: "operator new" for _Znwm; other names as they are.
std::string readable_name(const std::string& symbol);

}  // namespace ashlar_command
