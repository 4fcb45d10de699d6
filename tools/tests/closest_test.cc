// Which known word may have been meant.
#include "closest.h"

#include <gtest/gtest.h>

namespace ashlar_command {
namespace {

const std::vector<std::string> kWords = {"run", "doctor", "options"};

TEST(Closest, FewLettersAway) {
  EXPECT_EQ(closest("rn", kWords), "run");
  EXPECT_EQ(closest("runn", kWords), "run");
  EXPECT_EQ(closest("dcotor", kWords), "doctor");
  EXPECT_EQ(closest("option", kWords), "options");
  EXPECT_EQ(closest("run", kWords), "run");
}

TEST(Closest, NothingThatIsFar) {
  EXPECT_EQ(closest("frob", kWords), "");
  EXPECT_EQ(closest("", kWords), "");
  EXPECT_EQ(closest("ab", kWords), "");
  EXPECT_EQ(closest("run", {}), "");
}

}  // namespace
}  // namespace ashlar_command
