// What every fuzz target has in common: the entry that libFuzzer and the replay call, and failed expectations
// that end the process, so that they count as crashes.
//
// A target runs one input from a fresh start to the end and looks the same each time: what it found with one
// input does not depend on those before it (core_state.h).
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>

// libFuzzer's names. NOLINTBEGIN(readability-identifier-naming)
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv);
// NOLINTEND(readability-identifier-naming)
