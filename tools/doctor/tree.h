// Reads files of /proc, /sys and /etc below a root, so that a tree of files can stand in for the machine.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

namespace ashlar_command {

class Tree {
 public:
  Tree() = default;
  explicit Tree(std::string root) : root_(std::move(root)) {}

  /// The path on this machine of `path`, which starts with a slash.
  std::string real(std::string_view path) const { return root_ + std::string(path); }

  /// The file's text; nothing when it cannot be read.
  std::optional<std::string> read(std::string_view path) const;

  /// The first number in the file, skipping what stands before it on the line; nothing when there is none.
  std::optional<std::uint64_t> number(std::string_view path) const;

 private:
  std::string root_;
};

/// The decimal number that `text` starts with, blanks before it skipped; nothing when there is none or it
/// does not fit 64 bits.
std::optional<std::uint64_t> leading_number(std::string_view text);

/// The line of `text` that starts with `key`, without the key; nothing when there is none.
std::optional<std::string> line_after(std::string_view text, std::string_view key);

}  // namespace ashlar_command
