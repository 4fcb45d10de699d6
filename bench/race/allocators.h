// The allocators of a race: a name and the shared library to preload for it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ashlar::bench {

struct Allocator {
  std::string name;
  std::string path;  // empty: nothing is preloaded
};

// "NAME=PATH"; "glibc" alone for the libc that this process runs with; "NAME=" to preload nothing.
// Throws std::runtime_error with a message for the user.
//
// glibc is preloaded as the others are: a program that is linked with an allocator of its own (Debian's
// redis-server with jemalloc) would otherwise run with that in glibc's column.
Allocator parse_allocator(std::string_view text);

// Parses all; throws when a name comes twice or there is none.
std::vector<Allocator> parse_allocators(const std::vector<std::string>& texts);

// The index of `name`; throws when it is not there. `what` names the flag in the message.
size_t find_allocator(const std::vector<Allocator>& allocators, std::string_view name, std::string_view what);

std::optional<size_t> try_find_allocator(const std::vector<Allocator>& allocators, std::string_view name);

// LD_PRELOAD=... for a child: what is in this process's LD_PRELOAD stays, the allocator is appended.
// Empty when there is nothing to preload.
std::string preload_variable(const Allocator& allocator);

}  // namespace ashlar::bench
