// The last component of a path.
#pragma once

#include <string_view>

namespace ashlar_command {

inline std::string_view file_name(std::string_view path) { return path.substr(path.find_last_of('/') + 1); }

}  // namespace ashlar_command
