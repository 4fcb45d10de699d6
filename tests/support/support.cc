// The helpers that all layers' tests share; see support.h.
#include "support/support.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace ashlar::test {

uint64_t Random::next() {
  state_ += 0x9e3779b97f4a7c15u;
  uint64_t z = state_;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

uint64_t seed_or(uint64_t fallback) {
  const char* const asked = std::getenv("ASHLAR_TEST_SEED");
  return asked != nullptr ? std::strtoull(asked, nullptr, 0) : fallback;
}

std::string name_seed(uint64_t seed) { return "ASHLAR_TEST_SEED=" + std::to_string(seed); }

size_t scaled(size_t operations) {
  const char* const factor = std::getenv("ASHLAR_TEST_LONG");
  if (factor != nullptr) operations *= std::strtoull(factor, nullptr, 10);
  return operations / ASHLAR_TEST_SCALE;
}

int run_in_child(const std::function<void()>& body) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    body();
    std::fflush(nullptr);
    _exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return -1000;
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

std::vector<bool> resident(const void* start, size_t pages) {
  std::vector<unsigned char> vector(pages);
  const int result = mincore(const_cast<void*>(start), pages * 4096, vector.data());
  EXPECT_EQ(result, 0) << "mincore of " << start;
  std::vector<bool> bits(pages);
  std::transform(vector.begin(), vector.end(), bits.begin(),
                 [](unsigned char byte) { return (byte & 1) != 0; });
  return bits;
}

size_t count_resident(const void* start, size_t pages) {
  const std::vector<bool> bits = resident(start, pages);
  return static_cast<size_t>(std::count(bits.begin(), bits.end(), true));
}

std::string output_of(int fd, const std::function<void()>& body) {
  std::FILE* const file = std::tmpfile();
  const int saved = dup(fd);
  dup2(fileno(file), fd);
  body();
  dup2(saved, fd);
  close(saved);
  std::string text;
  std::rewind(file);
  for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file))
    text.push_back(static_cast<char>(c));
  std::fclose(file);
  return text;
}

}  // namespace ashlar::test
