// A tree of files that stands in for /proc, /sys and /etc.
#pragma once

#include <string>

#include "doctor/tree.h"
#include "scratch.h"

namespace ashlar_command {

class FakeTree {
 public:
  FakeTree() : tree_(scratch_.path("")) {}

  /// Writes the file at this path of the tree, with the directories above it.
  void put(const std::string& path, std::string_view text) {
    scratch_.make_directory(path.substr(1, path.find_last_of('/') - 1));
    scratch_.write(path.substr(1), text);
  }
  const Tree& tree() const { return tree_; }

 private:
  Scratch scratch_;
  Tree tree_;
};

}  // namespace ashlar_command
