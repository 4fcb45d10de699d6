#include "contents.h"

#include <algorithm>
#include <cstring>

namespace ashlar::soak {
namespace {

constexpr size_t kWord = sizeof(uint64_t);
constexpr size_t kStampBytes = 16;
constexpr size_t kStride = 4096;

uint64_t word_at(uint32_t seed, size_t offset) {
  return (static_cast<uint64_t>(seed) << 32 | 0x5A5A5A5Au) + offset * 0x9E3779B97F4A7C15u;
}

// [from, to) of the block; from is a multiple of kWord.
void write_range(char* block, size_t from, size_t to, uint32_t seed) {
  for (; from < to; from += kWord) {
    const uint64_t word = word_at(seed, from);
    memcpy(block + from, &word, std::min(kWord, to - from));
  }
}

bool check_range(const char* block, size_t from, size_t to, uint32_t seed, Mismatch* mismatch) {
  for (; from < to; from += kWord) {
    const uint64_t word = word_at(seed, from);
    const size_t bytes = std::min(kWord, to - from);
    if (memcmp(block + from, &word, bytes) == 0) continue;
    unsigned char expected[kWord];
    memcpy(expected, &word, kWord);
    for (size_t i = 0; i < bytes; ++i) {
      const auto found = static_cast<unsigned char>(block[from + i]);
      if (found != expected[i]) *mismatch = {from + i, expected[i], found};
      if (found != expected[i]) return false;
    }
  }
  return true;
}

size_t end_begin(size_t bytes) { return bytes > kStampBytes ? (bytes - kStampBytes) & ~(kWord - 1) : 0; }

}  // namespace

void write_contents(char* block, size_t bytes, uint32_t seed) {
  if (bytes <= kWholeBytes) {
    write_range(block, 0, bytes, seed);
    return;
  }
  for (size_t at = 0; at < bytes; at += kStride)
    write_range(block, at, std::min(at + kStampBytes, bytes), seed);
  write_end(block, bytes, seed);
}

void write_end(char* block, size_t bytes, uint32_t seed) {
  write_range(block, end_begin(bytes), bytes, seed);
}

bool has_contents(const char* block, size_t written, size_t kept, uint32_t seed, Mismatch* mismatch) {
  if (written <= kWholeBytes) return check_range(block, 0, std::min(written, kept), seed, mismatch);
  for (size_t at = 0; at < std::min(written, kept); at += kStride)
    if (!check_range(block, at, std::min(at + kStampBytes, std::min(written, kept)), seed, mismatch))
      return false;
  const size_t end = std::min(written, kept);
  return check_range(block, end_begin(end), end, seed, mismatch);
}

bool is_zero(const char* block, size_t bytes, Mismatch* mismatch) {
  // PERF: each byte like the one before it, by memcmp; byte by byte only to say where.
  if (block[0] == 0 && memcmp(block, block + 1, bytes - 1) == 0) return true;
  for (size_t at = 0; at < bytes; ++at)
    if (block[at] != 0) {
      *mismatch = {at, 0, static_cast<unsigned char>(block[at])};
      return false;
    }
  return true;
}

}  // namespace ashlar::soak
