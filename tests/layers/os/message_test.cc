// os/fatal.h: what messages look like, and that they stop the program.
#include <sys/wait.h>

#include <climits>

#include "os/fatal.h"
#include "support/support.h"

namespace ashlar::os {
namespace {

std::string line_of(const Message& message) {
  return test::output_of(2, [&message] { message.write_line(2); });
}

TEST(Message, TextNumbersAndAddresses) {
  Message message;
  message.text("a ").number(0).text(" ").number(42).text(" ").number(SIZE_MAX).text(" ").hex(0).text(" ");
  message.hex(0xdeadbeef).text(" ").hex(UINTPTR_MAX).text(" ").text("cut here", 3);
  EXPECT_EQ(line_of(message), "ashlar: a 0 42 18446744073709551615 0x0 0xdeadbeef 0xffffffffffffffff cut\n");
}

TEST(Message, Empty) { EXPECT_EQ(line_of(Message{}), "ashlar: \n"); }

TEST(Message, WhatDoesNotFitIsCutOff) {
  for (int variant = 0; variant < 4; ++variant) {
    Message message;
    const std::string filler(200, 'x');
    for (int i = 0; i < 4; ++i) {
      if (variant == 0) message.text(filler.c_str());
      if (variant == 1) message.text(filler.c_str(), filler.size());
      for (int n = 0; n < 30 && variant == 2; ++n)
        message.number(SIZE_MAX);
      for (int n = 0; n < 30 && variant == 3; ++n)
        message.hex(UINTPTR_MAX);
    }
    const std::string line = line_of(message);
    EXPECT_EQ(line.size(), 480 + 9u) << variant;
    EXPECT_EQ(line.back(), '\n');
  }
}

TEST(Message, AClosedDescriptorIsNoTrouble) {
  Message message;
  message.text("nobody listens").write_line(-1);
}

TEST(FatalDeathTest, SaysItAndAborts) {
  EXPECT_EXIT(
      fatal(Message{}.text("the heap is broken at ").hex(0x1000)), ::testing::KilledBySignal(SIGABRT),
      "^ashlar: the heap is broken at 0x1000 \\(process [0-9]+\\)\n(qemu: .*\n)?$");  // the emulator's own
}

TEST(FatalDeathTest, ABrokenInvariantNamesItsPlace) {
  const int three = 3;
  ASHLAR_CHECK(three == 3);
  EXPECT_EXIT(ASHLAR_CHECK(three == 4), ::testing::KilledBySignal(SIGABRT),
              "ashlar: broken invariant: three == 4 at message_test.cc:[0-9]+");
}

TEST(FatalDeathTest, DebugChecksExistWithInvariantsAlone) {
  bool evaluated = false;
  ASHLAR_DCHECK((evaluated = true));
#ifdef ASHLAR_INVARIANTS
  EXPECT_TRUE(evaluated);
#else
  EXPECT_FALSE(evaluated);
#endif
}

}  // namespace
}  // namespace ashlar::os
