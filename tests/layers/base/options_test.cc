// The option parser: every option of the table with its good and bad values, and what is said of the bad.
#include "base/options.h"

#include "base/option_text.h"
#include "support/support.h"

namespace ashlar {
namespace {

struct Seen {
  std::string piece, what, key, text;
};

std::string in_words(const OptionError& error, const char* consequence = "") {
  char text[kOptionErrorBytes];
  describe(error, consequence, text, sizeof text);
  return text;
}

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
               error.option != nullptr ? error.option->key : "", in_words(error)});
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
      std::string text = key;
      text.append(":").append(name, length);
      EXPECT_TRUE(parse(text).empty()) << text;
      EXPECT_EQ(option_value(i), choice);
      expect_refused(text + "x", "bad value");
      text.pop_back();
      expect_refused(text, "bad value");
    }
    EXPECT_GE(choice, 2u) << key;
    expect_refused(key + ":" + option.choices, "bad value");
    expect_refused(key + ":0", "bad value");
    expect_refused(key + ":", "bad value");
    expect_refused(key, "no value");
  }
}

TEST_F(OptionsTest, Suffixes) {
  const std::pair<const char*, size_t> cases[] = {
      {"4194304", 4 * kMiB}, {"4096k", 4 * kMiB}, {"4096K", 4 * kMiB}, {"4m", 4 * kMiB},
      {"4M", 4 * kMiB},      {"1g", 1024 * kMiB}, {"1G", 1024 * kMiB}, {"0004m", 4 * kMiB}};
  for (const auto& [text, bytes] : cases) {
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
  parse("window:8m,source:sbrk", OptionOrigin::kLibrary);
  parse("window:16m", OptionOrigin::kEnvironment);
  EXPECT_EQ(g_options.window, 16 * kMiB);
  EXPECT_EQ(g_option_origins[kOption_window], OptionOrigin::kEnvironment);
  EXPECT_EQ(g_option_origins[kOption_source], OptionOrigin::kLibrary);
  EXPECT_EQ(g_option_origins[kOption_foreign], OptionOrigin::kDefault);
}

TEST_F(OptionsTest, ChoiceNamesEnd) {
  size_t length = 0;
  EXPECT_EQ(choice_name(kOptionInfos[kOption_foreign], 2, &length), nullptr);
  EXPECT_EQ(choice_name(kOptionInfos[kOption_foreign], 1000, &length), nullptr);
}

// Of one piece that is refused: what is said behind "... in 'PIECE'".
class OptionWordsTest : public OptionsTest {
 protected:
  static std::string advice(const std::string& piece) {
    const std::vector<Seen> seen = parse(piece);
    if (seen.size() != 1) return "not refused";
    const std::string head = seen[0].what + " in '" + piece + "'; ";
    EXPECT_EQ(seen[0].text.substr(0, head.size()), head);
    return seen[0].text.substr(std::min(head.size(), seen[0].text.size()));
  }
};

TEST_F(OptionWordsTest, AMistypedKeyIsGuessed) {
  EXPECT_EQ(advice("purge_flor:8m"), "did you mean purge_floor:8m?");
  EXPECT_EQ(advice("windows:1g"), "did you mean window:1g?");
  EXPECT_EQ(advice("hole_purgee"), "did you mean hole_purge?");
  EXPECT_EQ(advice("stats_at_exit_:json"), "did you mean stats_at_exit:json?");
  for (const char* far : {"nonsense:1", ":8m", "wondering:1", "8m"}) {
    EXPECT_EQ(advice(far).substr(0, 24), "the options are: window ") << far;
  }
}

TEST_F(OptionWordsTest, OtherSeparatorsAreMended) {
  const std::string form = " (key:value,key:value, without blanks)";
  EXPECT_EQ(advice("purge_floor=8m"), "did you mean purge_floor:8m?" + form);
  EXPECT_EQ(advice("purge_flor=8m"), "did you mean purge_floor:8m?" + form);
  EXPECT_EQ(advice("purge_floor 8m"), "did you mean purge_floor:8m?" + form);
  EXPECT_EQ(advice("purge_floor="), "did you mean purge_floor?" + form);
  EXPECT_EQ(advice(" purge_floor:8m"), "did you mean purge_floor:8m?" + form);
  EXPECT_EQ(advice("purge_floor=8m;source=sbrk"), "did you mean purge_floor:8m?" + form);
  EXPECT_EQ(advice("purge_floor:=8m"), "a size from 0 to 1024g, with k, m or g" + form);
  EXPECT_EQ(advice("source:sbrk:window:1g"), "one of mmap|sbrk" + form);
  EXPECT_EQ(advice("source:sbrk;window:1g"), "one of mmap|sbrk" + form);
  EXPECT_EQ(advice("source:sbrk window:1g"), "one of mmap|sbrk" + form);
}

TEST_F(OptionWordsTest, RangesAreWrittenAsTheParserReadsThem) {
  EXPECT_EQ(advice("window:1"), "a size from 4m to 2048g, with k, m or g, or auto");
  EXPECT_EQ(advice("bin_bytes:99g"), "a size from 0 to 16m, with k, m or g");
  EXPECT_EQ(advice("purge_share:0"), "a number from 1 to 1024");
  EXPECT_EQ(advice("foreign:maybe"), "one of ignore|abort");
  EXPECT_EQ(advice("foreign"), "one of ignore|abort");
  const std::pair<size_t, const char*> cases[] = {{0, "0"},
                                                  {1, "1"},
                                                  {1023, "1023"},
                                                  {kKiB, "1k"},
                                                  {1536 * kKiB, "1536k"},
                                                  {64 * kMiB, "64m"},
                                                  {kAuto, "auto"},
                                                  {kMiB + 1, "1048577"},
                                                  {SIZE_MAX - 1, "18446744073709551614"}};
  for (const auto& [bytes, text] : cases) {
    EXPECT_STREQ(number_text(OptionKind::kSize, bytes).text, text);
  }
  EXPECT_STREQ(number_text(OptionKind::kCount, 1024).text, "1024");
  for (unsigned shift = 22; shift <= 41; ++shift) {  // what is written is read back
    const size_t bytes = size_t{1} << shift;
    EXPECT_TRUE(parse(std::string("window:") + number_text(OptionKind::kSize, bytes).text).empty()) << shift;
    EXPECT_EQ(g_options.window, bytes);
  }
}

// The longest there are, whole and cut off at every length: nothing is written behind the end.
TEST_F(OptionWordsTest, NoMessageIsLongerThanItsBuffer) {
  const std::string tail(3000, 'x');
  const std::string pieces[] = {"options_at_exiT=" + tail,
                                "options_at_exiT=" + tail.substr(0, 40) + " " + tail,
                                "window:" + tail + ":" + tail,
                                "x" + tail,
                                "window:1",
                                "foreign:x"};
  for (const std::string& piece : pieces) {
    const OptionInfo* const option = piece.starts_with("window") ? &kOptionInfos[kOption_window] : nullptr;
    const OptionError error{piece.data(), piece.size(), "value out of range", option};
    const std::string whole = in_words(error, ", ignored");
    EXPECT_LT(whole.size() + 1, kOptionErrorBytes);
    for (size_t size = 1; size <= whole.size() + 1; ++size) {
      std::vector<char> out(size + 1, '#');
      describe(error, ", ignored", out.data(), size);
      ASSERT_EQ(out.data(), whole.substr(0, size - 1));
      ASSERT_EQ(out[size], '#');
    }
  }
}

}  // namespace
}  // namespace ashlar
