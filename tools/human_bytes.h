// Sizes as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace ashlar_command {

/// "1.5 GiB", "512 KiB", "12 B".
std::string human_bytes(std::uint64_t bytes);

}  // namespace ashlar_command
