// What the soak writes into a block is missed when any byte of it is not as written.
#include "contents.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace {

using namespace ashlar::soak;

constexpr uint32_t kSeed = 0x12345678;
const size_t kSizes[] = {1, 7, 8, 9, 16, 17, 100, 4095, 4096, 4097, 4100, 8192, 8193, 100'003};

std::string written(size_t bytes, uint32_t seed = kSeed) {
  std::string block(bytes, '\0');
  write_contents(block.data(), bytes, seed);
  return block;
}

bool has(const std::string& block, size_t written, size_t kept, Mismatch* found) {
  return has_contents(block.data(), written, kept, kSeed, found);
}

TEST(Contents, AreFoundAsWritten) {
  for (const size_t bytes : kSizes) {
    Mismatch found = {};
    EXPECT_TRUE(has(written(bytes), bytes, bytes, &found)) << bytes;
  }
}

TEST(Contents, EveryByteOfASmallBlockCounts) {
  for (const size_t bytes : kSizes) {
    if (bytes > kWholeBytes) continue;
    for (size_t at = 0; at < bytes; ++at) {
      std::string block = written(bytes);
      block[at] = static_cast<char>(block[at] ^ 1);
      Mismatch found = {};
      EXPECT_FALSE(has(block, bytes, bytes, &found)) << bytes << " " << at;
      EXPECT_EQ(found.offset, at);
      EXPECT_EQ(found.found, found.expected ^ 1u);
    }
  }
}

TEST(Contents, EveryPageAndTheLastByteOfALargeBlockCount) {
  const size_t bytes = 100'003;
  for (size_t at = 0; at <= bytes; at += 4096) {
    std::string block = written(bytes);
    const size_t broken = std::min(at, bytes - 1);
    block[broken] = static_cast<char>(block[broken] ^ 0x80);
    Mismatch found = {};
    EXPECT_FALSE(has(block, bytes, bytes, &found)) << at;
    EXPECT_EQ(found.offset, broken);
  }
  std::string block = written(bytes);
  block.back() = static_cast<char>(block.back() ^ 1);
  Mismatch found = {};
  EXPECT_FALSE(has(block, bytes, bytes, &found));
}

TEST(Contents, OfAnotherBlockAreNotTheSame) {
  for (const size_t bytes : kSizes) {
    if (bytes < 8) continue;
    Mismatch found = {};
    EXPECT_FALSE(has(written(bytes, kSeed + 1), bytes, bytes, &found)) << bytes;
  }
}

TEST(Contents, OfPagesThatWereSwappedAreNotTheSame) {
  std::string block = written(3 * 4096);
  std::swap_ranges(block.begin(), block.begin() + 4096, block.begin() + 4096);
  Mismatch found = {};
  EXPECT_FALSE(has(block, block.size(), block.size(), &found));
}

// As the soak resizes: the last byte that is kept is missed when it is not copied.
TEST(Contents, OneByteTooFewIsMissedAfterEveryResize) {
  for (const size_t before : kSizes) {
    for (const size_t after : kSizes) {
      std::string block = written(before);
      if (after < before) write_end(block.data(), after, kSeed);
      const size_t kept = std::min(before, after);
      block.resize(after);
      Mismatch found = {};
      EXPECT_TRUE(has(block, before, after, &found)) << before << " to " << after;
      block[kept - 1] = static_cast<char>(block[kept - 1] ^ 1);
      EXPECT_FALSE(has(block, before, after, &found)) << before << " to " << after;
      EXPECT_EQ(found.offset, kept - 1);
    }
  }
}

TEST(Contents, ZeroIsZeroToTheLastByte) {
  std::string block(5000, '\0');
  Mismatch found = {};
  EXPECT_TRUE(is_zero(block.data(), block.size(), &found));
  for (const size_t at : {size_t{0}, size_t{1}, size_t{4999}}) {
    std::string other = block;
    other[at] = 5;
    EXPECT_FALSE(is_zero(other.data(), other.size(), &found));
    EXPECT_EQ(found.offset, at);
  }
}

}  // namespace
