// The size classes: every size from 1 to 32 KiB, the waste they promise, and the layout of their slabs.
#include "slab/size_class.h"

#include "support/support.h"

namespace ashlar::slab {
namespace {

TEST(SizeClass, EverySizeHasTheSmallestSufficientClass) {
  for (size_t size = 1; size <= kMaxSlotSize; ++size) {
    const unsigned index = class_of_size(size);
    ASSERT_GE(index, 1u);
    ASSERT_LT(index, kClassCount);
    ASSERT_GE(size_of_class(index), size);
    ASSERT_LT(size_of_class(index - 1), size);
    ASSERT_EQ(kClasses[index].size, size_of_class(index));
    if (size <= kTableLimit) {
      ASSERT_EQ(kCodeTable[(size + 15) / 16], class_code(index)) << size;
    }
  }
  EXPECT_EQ(kCodeTable[0], 0);  // malloc(0) has no class
}

TEST(SizeClass, RoundTrip) {
  for (unsigned index = 1; index < kClassCount; ++index) {
    EXPECT_EQ(class_of_size(size_of_class(index)), index);
    EXPECT_EQ(class_of_size(size_of_class(index - 1) + 1), index);
    EXPECT_EQ(class_code(index) / 2, index);
  }
  EXPECT_EQ(size_of_class(32), 512u);
  EXPECT_EQ(size_of_class(33), 544u);
  EXPECT_EQ(size_of_class(41), 1024u);
  EXPECT_EQ(size_of_class(42), 1088u);
  EXPECT_EQ(size_of_class(kClassCount - 1), 32768u);
}

TEST(SizeClass, WasteStaysWithinItsBounds) {
  double small = 0, big = 0;
  for (size_t size = 1; size <= kMaxSlotSize; ++size) {
    const double slot = size_of_class(class_of_size(size));
    const double waste = 1 - static_cast<double>(size) / slot;
    if (size > 128) {
      ASSERT_LT(waste, 0.125) << size;
    }
    if (size > 128 && size <= 512) small += waste;
    if (size > 512) big += waste;
  }
  EXPECT_LT(small / 384, 0.027);
  EXPECT_LT(big / (32768.0 - 512), 0.046);
}

TEST(SizeClass, SlabsHaveRoomAndLittleWaste) {
  for (unsigned index = 1; index < kClassCount; ++index) {
    const ClassInfo& info = kClasses[index];
    SCOPED_TRACE(info.size);
    const size_t bytes = kPageSize << info.order;
    EXPECT_GE(info.order, 2u);
    EXPECT_LE(info.order, 6u);
    EXPECT_GE(info.slots, 8u);
    EXPECT_LE(info.slots, kMaxSlots);
    EXPECT_LE(size_t{info.slots} * info.size, bytes);
    EXPECT_LT(bytes - size_t{info.slots} * info.size, info.size);
    EXPECT_LE((bytes - size_t{info.slots} * info.size) * 100, bytes * (info.size <= 16 * kKiB ? 5u : 9u));
    EXPECT_GE(info.enough, 1u);
    EXPECT_LE(info.enough, info.slots);
    EXPECT_LE(info.hole_slots, info.slots);
  }
}

TEST(SizeClass, TheReciprocalDividesEveryOffset) {
  for (unsigned index = 1; index < kClassCount; ++index) {
    const ClassInfo& info = kClasses[index];
    const uint32_t bytes = static_cast<uint32_t>(kPageSize << info.order);
    for (uint32_t offset = 0; offset < bytes; ++offset) {
      ASSERT_EQ(slot_at(info, offset), offset / info.size) << info.size << " " << offset;
    }
  }
}

}  // namespace
}  // namespace ashlar::slab
