// For messages about a word that is not known: how far it is from one that is. Allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ashlar {

// Of known words, and the longest one that is compared with them; longer ones are far from all.
inline constexpr size_t kLongestWord = 63;

// Letters to change, insert or leave out to make one of the other (Levenshtein's distance); SIZE_MAX when one
// is longer than kLongestWord.
constexpr size_t edit_distance(const char* a, size_t a_length, const char* b, size_t b_length) {
  if (a_length > kLongestWord || b_length > kLongestWord) return SIZE_MAX;
  uint8_t row[kLongestWord + 1] = {};  // from the letters of `a` so far to each beginning of `b`
  for (size_t j = 0; j <= b_length; ++j)
    row[j] = static_cast<uint8_t>(j);
  for (size_t i = 0; i < a_length; ++i) {
    uint8_t diagonal = row[0];
    row[0] = static_cast<uint8_t>(i + 1);
    for (size_t j = 0; j < b_length; ++j) {
      size_t least = diagonal + size_t{a[i] == b[j] ? 0u : 1u};
      if (row[j] + 1u < least) least = row[j] + 1u;
      if (row[j + 1] + 1u < least) least = row[j + 1] + 1u;
      diagonal = row[j + 1];
      row[j + 1] = static_cast<uint8_t>(least);
    }
  }
  return row[b_length];
}

// The most edits by which a word of this length may still be a known one, mistyped: a third of its letters.
constexpr size_t most_edits(size_t length) { return length / 3 > 1 ? length / 3 : 1; }

}  // namespace ashlar
