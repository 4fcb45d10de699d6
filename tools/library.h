// Finds libashlar.so.1 and writes the environment that loads it.
//
// Owns the rules of LD_PRELOAD and ASHLAR_CONF as lists; starts nothing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ashlar_command {

inline constexpr std::string_view kLibraryName = "libashlar.so.1";

/// The absolute path of the library: `wanted` when it is not empty, whether it is there or not; otherwise
/// beside the command, in its installed place or in ../lib*. Empty when there is none in these places.
/// preload_choice.h judges it.
std::string find_library(const std::string& wanted);

/// The second, with the directory of the command given.
std::string find_library_near(const std::string& directory);

/// Whether LD_PRELOAD can name this path: blanks and colons separate its entries and cannot be
/// escaped, and `$` starts a token of the loader's.
bool preload_can_name(std::string_view path);

struct Preload {
  std::string value;                  // for LD_PRELOAD
  std::vector<std::string> replaced;  // entries of `existing` that gave way to the library
};

/// `existing` with `library` in it: behind what is there, or in the place of another libashlar.so (an older
/// build, a path that is gone), since of two the first serves. Where it is in there already, it stays as it
/// is spelled. Everything else keeps its place.
Preload join_preload(std::string_view existing, const std::string& library);

/// The entries of an LD_PRELOAD value, or of /etc/ld.so.preload.
std::vector<std::string_view> preload_entries(std::string_view preload);

/// The entry of an LD_PRELOAD value that is a libashlar.so, empty when there is none.
std::string_view ashlar_entry(std::string_view preload);

/// Two comma-separated lists as one; either may be empty.
std::string join_conf(std::string_view existing, std::string_view added);

/// The value of an environment variable, empty when it is not set.
std::string environment(const char* name);

}  // namespace ashlar_command
