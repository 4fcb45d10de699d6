// The option parser: every option of the table with its good and bad values, and what is said of the bad.
#include "base/options.h"

#include "support/support.h"

namespace ashlar {
namespace {

struct Seen {
  std::string piece, what, key;
};

class OptionsTest : public ::testing::Test {
 protected:
  void SetUp() override { reset(); }
  void TearDown() override { reset(); }

  static void reset() {
    g_options = Options{};
    for (OptionOrigin& origin : g_option_origins)
      origin = OptionOrigin::kDefault;
  }

  // Parses from defaults; returns what was found wrong.
  static std::vector<Seen> parse(const std::string& text, OptionOrigin origin = OptionOrigin::kEnvironment) {
    std::vector<Seen> seen;
    parse_options(
        text.c_str(), origin,
        [](const OptionError& error, void* context) {
          static_cast<std::vector<Seen>*>(context)->push_back(
              {std::string(error.piece, error.length), error.what,
               error.option != nullptr ? error.option->key : ""});
        },
        &seen);
    return seen;
  }

  // Fails unless this one piece is refused, in these words, and no value changed.
  static void expect_refused(const std::string& piece, const std::string& what) {
    SCOPED_TRACE(piece);
    reset();
    const std::vector<Seen> seen = parse(piece);
    ASSERT_EQ(seen.size(), 1u);
    EXPECT_EQ(seen[0].piece, piece);
    EXPECT_EQ(seen[0].what, what);
    for (unsigned i = 0; i < kOptionCount; ++i) {
      EXPECT_EQ(option_value(i), kOptionInfos[i].default_value);
      EXPECT_EQ(g_option_origins[i], OptionOrigin::kDefault);
    }
  }
};

TEST_F(OptionsTest, DefaultsAreTheTables) {
  for (unsigned i = 0; i < kOptionCount; ++i)
    EXPECT_EQ(option_value(i), kOptionInfos[i].default_value);
  EXPECT_EQ(g_options.window, kAuto);
}

TEST_F(OptionsTest, EveryDefaultLiesInItsRange) {
  for (const OptionInfo& option : kOptionInfos) {
    SCOPED_TRACE(option.key);
    EXPECT_NE(option.text[0], 0);
    if (option.choices != nullptr) {
      size_t length = 0;
      EXPECT_NE(choice_name(option, option.default_value, &length), nullptr);
    } else if (option.default_value != kAuto) {
      EXPECT_GE(option.default_value, option.minimum);
      EXPECT_LE(option.default_value, option.maximum);
    }
  }
}

TEST_F(OptionsTest, EverySizeTakesItsRangeAndNothingElse) {
  for (unsigned i = 0; i < kOptionCount; ++i) {
    const OptionInfo& option = kOptionInfos[i];
    if (option.choices != nullptr) continue;
    const std::string key = option.key;
    for (const size_t value : {option.minimum, option.maximum, option.minimum + 1}) {
      reset();
      EXPECT_TRUE(parse(key + ":" + std::to_string(value)).empty()) << key << ":" << value;
      EXPECT_EQ(option_value(i), value) << key;
      EXPECT_EQ(g_option_origins[i], OptionOrigin::kEnvironment);
    }
    expect_refused(key + ":" + std::to_string(option.maximum + 1), "value out of range");
    if (option.minimum > 0)
      expect_refused(key + ":" + std::to_string(option.minimum - 1), "value out of range");
    for (const char* bad : {"", "x", "-1", "+1", " 1", "1 ", "1.5", "0x10", "1kk", "1t", "k", "1kb"}) {
      expect_refused(key + ":" + bad, "bad value");
    }
    expect_refused(key, "no value");
    if (option.default_value != kAuto) expect_refused(key + ":auto", "bad value");
  }
}

TEST_F(OptionsTest, EveryChoiceByItsNameAlone) {
  for (unsigned i = 0; i < kOptionCount; ++i) {
    const OptionInfo& option = kOptionInfos[i];
    if (option.choices == nullptr) continue;
    const std::string key = option.key;
    size_t length = 0;
    size_t choice = 0;
    for (; const char* name = choice_name(option, choice, &length); ++choice) {
      reset();
      const std::string text(name, length);
      EXPECT_TRUE(parse(key + ":" + text).empty()) << key << ":" << text;
      EXPECT_EQ(option_value(i), choice);
      expect_refused(key + ":" + text + "x", "bad value");
      expect_refused(key + ":" + text.substr(0, length - 1), "bad value");
    }
    EXPECT_GE(choice, 2u) << key;
    expect_refused(key + ":" + option.choices, "bad value");
    expect_refused(key + ":0", "bad value");
    expect_refused(key + ":", "bad value");
    expect_refused(key, "no value");
  }
}

TEST_F(OptionsTest, Suffixes) {
  const std::pair<const char*, size_t> kCases[] = {
      {"4194304", 4 * kMiB}, {"4096k", 4 * kMiB}, {"4096K", 4 * kMiB}, {"4m", 4 * kMiB},
      {"4M", 4 * kMiB},      {"1g", 1024 * kMiB}, {"1G", 1024 * kMiB}, {"0004m", 4 * kMiB}};
  for (const auto& [text, bytes] : kCases) {
    reset();
    EXPECT_TRUE(parse(std::string("window:") + text).empty()) << text;
    EXPECT_EQ(g_options.window, bytes) << text;
  }
}

TEST_F(OptionsTest, Overflow) {
  expect_refused("window:18446744073709551616", "bad value");  // 2^64
  expect_refused("window:184467440737095516150", "bad value");
  expect_refused("window:18446744073709551615", "value out of range");  // kAuto is no way in
  expect_refused("window:18014398509481984k", "bad value");             // 2^54 k = 2^64
  expect_refused("window:17179869184g", "bad value");                   // 2^34 g = 2^64
  expect_refused("window:99999999999999999999999999999999g", "bad value");
}

TEST_F(OptionsTest, AutoWhereTheDefaultIsAuto) {
  EXPECT_TRUE(parse("window:8m,window:auto").empty());
  EXPECT_EQ(g_options.window, kAuto);
  EXPECT_EQ(g_option_origins[kOption_window], OptionOrigin::kEnvironment);
  expect_refused("window:AUTO", "bad value");
  expect_refused("window:autox", "bad value");
}

TEST_F(OptionsTest, UnknownKeysAreNamedWithTheirPiece) {
  for (const char* piece : {"windo:4m", "windows:4m", "WINDOW:4m", ":4m", " window:4m", "x", ":", "::"}) {
    expect_refused(piece, "unknown option");
    EXPECT_EQ(parse(piece)[0].key, "");
  }
}

TEST_F(OptionsTest, BadPiecesAreSkippedAndTheOthersHold) {
  const std::vector<Seen> seen = parse("window:8m,nope:1,purge_floor:zero,foreign:abort,source");
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen[0].piece, "nope:1");
  EXPECT_EQ(seen[1].piece, "purge_floor:zero");
  EXPECT_EQ(seen[1].key, "purge_floor");
  EXPECT_EQ(seen[2].piece, "source");
  EXPECT_EQ(g_options.window, 8 * kMiB);
  EXPECT_EQ(g_options.foreign, 1u);
  EXPECT_EQ(g_options.purge_floor, kOptionInfos[kOption_purge_floor].default_value);
}

TEST_F(OptionsTest, EmptyPiecesAreNothing) {
  for (const char* text : {"", ",", ",,,", ",window:8m", "window:8m,", ",,window:8m,,"}) {
    reset();
    EXPECT_TRUE(parse(text).empty()) << text;
    EXPECT_EQ(g_options.window == 8 * kMiB, std::string(text).find("window") != std::string::npos) << text;
  }
}

TEST_F(OptionsTest, TheLastOneHoldsAndNamesItsOrigin) {
  parse("window:8m,source:sbrk", OptionOrigin::kLinkTime);
  parse("window:16m", OptionOrigin::kEnvironment);
  EXPECT_EQ(g_options.window, 16 * kMiB);
  EXPECT_EQ(g_option_origins[kOption_window], OptionOrigin::kEnvironment);
  EXPECT_EQ(g_option_origins[kOption_source], OptionOrigin::kLinkTime);
  EXPECT_EQ(g_option_origins[kOption_foreign], OptionOrigin::kDefault);
}

TEST_F(OptionsTest, ChoiceNamesEnd) {
  size_t length = 0;
  EXPECT_EQ(choice_name(kOptionInfos[kOption_foreign], 2, &length), nullptr);
  EXPECT_EQ(choice_name(kOptionInfos[kOption_foreign], 1000, &length), nullptr);
}

}  // namespace
}  // namespace ashlar
