// base/bits.h against loops that count bit by bit.
#include "base/bits.h"

#include "base/types.h"
#include "support/support.h"

namespace ashlar {
namespace {

TEST(Bits, PowersOfTwo) {
  size_t powers = 0;
  for (size_t value = 0; value <= 4096; ++value)
    powers += is_power_of_two(value) ? 1 : 0;
  EXPECT_EQ(powers, 13u);
  EXPECT_FALSE(is_power_of_two(0));
  EXPECT_TRUE(is_power_of_two(size_t{1} << 63));
}

TEST(Bits, Log2UpIsTheSmallestSufficientPower) {
  for (size_t value = 1; value < 70000; ++value) {
    unsigned expected = 0;
    while ((size_t{1} << expected) < value)
      ++expected;
    ASSERT_EQ(log2_up(value), expected) << value;
  }
  EXPECT_EQ(log2_up((size_t{1} << 63) - 1), 63u);
  EXPECT_EQ(log2_up(size_t{1} << 63), 63u);
}

TEST(Bits, AlignmentRoundsToTheNearestMultiple) {
  for (const size_t alignment : {1u, 2u, 16u, 4096u}) {
    for (size_t value = 0; value < 9000; value += 7) {
      EXPECT_EQ(align_up(value, alignment), (value + alignment - 1) / alignment * alignment);
      EXPECT_EQ(align_down(value, alignment), value / alignment * alignment);
    }
  }
}

TEST(Bits, RangesHoldExactlyTheirBits) {
  for (unsigned from = 0; from < 64; ++from) {
    for (unsigned count = 0; from + count <= 64; ++count) {
      const uint64_t range = bit_range(from, count);
      for (unsigned i = 0; i < 64; ++i) {
        ASSERT_EQ((range & bit(i)) != 0, i >= from && i < from + count) << from << " " << count << " " << i;
      }
    }
  }
}

TEST(Bits, LowestHighestAndCount) {
  test::Random random(1);
  for (int round = 0; round < 10000; ++round) {
    const uint64_t word = random.next() >> random.below(64) << random.below(16);
    if (word == 0) continue;
    unsigned low = 0;
    while ((word >> low & 1) == 0)
      ++low;
    unsigned high = 63;
    while ((word >> high & 1) == 0)
      --high;
    unsigned ones = 0;
    for (unsigned i = 0; i < 64; ++i)
      ones += static_cast<unsigned>(word >> i & 1);
    ASSERT_EQ(lowest_bit(word), low) << word;
    ASSERT_EQ(highest_bit(word), high) << word;
    ASSERT_EQ(count_bits(word), ones) << word;
  }
}

TEST(Types, Conversions) {
  EXPECT_EQ(bytes_to_pages_up(0), 0u);
  EXPECT_EQ(bytes_to_pages_up(1), 1u);
  EXPECT_EQ(bytes_to_pages_up(4096), 1u);
  EXPECT_EQ(bytes_to_pages_up(4097), 2u);
  EXPECT_EQ(pages_to_bytes(3), 12288u);
  EXPECT_EQ(chunk_of_page(255), 0u);
  EXPECT_EQ(chunk_of_page(256), 1u);
  EXPECT_EQ(unit_of_page(7), 1u);
  EXPECT_EQ(first_page_of_unit(2), 8u);
}

}  // namespace
}  // namespace ashlar
