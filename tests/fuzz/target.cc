// A failed expectation throws through whoever called the target, which ends the process: libFuzzer writes the
// input down then.
#include "target.h"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  ::testing::FLAGS_gtest_throw_on_failure = true;
  return 0;
}
