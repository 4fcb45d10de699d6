// Runs a fuzz target once with each input that it is given: the files named, and those in the folders named.
// Stands in libFuzzer's place where the compiler has none, and in every build for what was found before.
//
//   replay PATH...
//
// Exit status 2: a path could not be read, or there was no input at all. A crash ends it as it ends the
// program; the last line on stderr before names the input.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "target.h"

namespace {

std::vector<std::filesystem::path> inputs_in(const std::filesystem::path& path) {
  std::vector<std::filesystem::path> inputs;
  if (!std::filesystem::is_directory(path)) return {path};
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) inputs.push_back(entry.path());
  }
  std::sort(inputs.begin(), inputs.end());
  return inputs;
}

bool run(const std::filesystem::path& input) {
  std::ifstream file(input, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "replay: can't read %s\n", input.c_str());
    return false;
  }
  std::fprintf(stderr, "%s\n", input.c_str());
  const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  LLVMFuzzerInitialize(&argc, &argv);
  size_t count = 0;
  bool all_read = true;
  for (int i = 1; i < argc; ++i) {
    if (!std::filesystem::exists(argv[i])) {
      std::fprintf(stderr, "replay: no file or folder %s\n", argv[i]);
      return 2;
    }
    for (const std::filesystem::path& input : inputs_in(argv[i])) {
      all_read = run(input) && all_read;
      ++count;
    }
  }
  std::printf("%zu inputs\n", count);
  return all_read && count > 0 ? 0 : 2;
}
