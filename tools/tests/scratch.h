// A directory for one test, removed with its owner.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace ashlar_command {

class Scratch {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "ashlar_test_XXXXXX").string();
    root_ = mkdtemp(name.data());
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { std::filesystem::remove_all(root_); }

  std::string path(std::string_view name) const { return (root_ / name).string(); }
  std::string make_directory(std::string_view name) const {
    std::filesystem::create_directories(root_ / name);
    return path(name);
  }
  void write(std::string_view name, std::string_view text, bool executable = false) const {
    std::ofstream(root_ / name) << text;
    using std::filesystem::perms;
    std::filesystem::permissions(root_ / name, executable ? perms(0755) : perms(0644));
  }

 private:
  std::filesystem::path root_;
};

}  // namespace ashlar_command
