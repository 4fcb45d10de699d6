// The bytes of a fuzzer's input as choices, and as text. Behind their end every choice is 0.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "support/support.h"

namespace ashlar::fuzz {

class Bytes final : public test::Choices {
 public:
  Bytes(const uint8_t* data, size_t size) : data_(data), left_(size) {}

  bool empty() const { return left_ == 0; }
  uint8_t byte() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }
  // As few bytes as the bound needs: a mutation of one byte changes one choice.
  size_t below(size_t bound) override {
    size_t value = 0;
    for (size_t reach = bound - 1; reach > 0; reach >>= 8)
      value = value << 8 | byte();
    return value % bound;
  }
  // A size of 0 to `most`: its number of bits first, so that every magnitude is as easily reached.
  size_t size_up_to(size_t most) {
    size_t bits = 0;
    while (bits < 64 && most >> bits != 0)
      ++bits;
    const size_t chosen = below(bits + 1);
    return chosen == 0 ? 0 : std::min(most, (size_t{1} << (chosen - 1)) + below(size_t{1} << (chosen - 1)));
  }
  std::string_view rest() {
    const std::string_view text(reinterpret_cast<const char*>(data_), left_);
    left_ = 0;
    return text;
  }

 private:
  const uint8_t* data_;
  size_t left_;
};

}  // namespace ashlar::fuzz
