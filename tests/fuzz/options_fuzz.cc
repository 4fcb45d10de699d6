// The options parser beside a second one, written with strings, for any text: the values, their origins, and
// what is said of each bad piece. The text lies at the end of a page behind which nothing is readable,
// without more than its terminator: one byte read too far is a crash, in every build.
#include <sys/mman.h>

#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "base/option_text.h"
#include "base/options.h"
#include "bytes.h"
#include "target.h"

namespace ashlar {
namespace {

constexpr size_t kMostText = 4095;
__extension__ typedef unsigned __int128 Wide;

struct Fault {
  std::string piece, what;
  const OptionInfo* option;
};

struct Expected {
  std::vector<size_t> values;
  std::vector<OptionOrigin> origins;
  std::vector<Fault> faults;
};

// A copy of the text that ends with the page.
class EndOfPage {
 public:
  explicit EndOfPage(const std::string& text) {
    static char* const pages = [] {
      char* const p = static_cast<char*>(
          mmap(nullptr, 2 * kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
      EXPECT_EQ(mprotect(p + kPageSize, kPageSize, PROT_NONE), 0);
      return p;
    }();
    text_ = pages + kPageSize - text.size() - 1;
    std::memcpy(text_, text.c_str(), text.size() + 1);
  }
  const char* text() const { return text_; }

 private:
  char* text_;
};

// Digits and a suffix, in 128 bits; nothing: it is no such size, or one of more than 64 bits.
std::optional<size_t> size_in(const std::string& text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits == 0) return std::nullopt;
  Wide value = 0;
  for (size_t i = 0; i < digits; ++i) {
    value = value * 10 + static_cast<unsigned>(text[i] - '0');
    if (value >> 64 != 0) return std::nullopt;
  }
  const std::string suffix = text.substr(digits);
  if (suffix.size() > 1) return std::nullopt;
  if (!suffix.empty()) {
    const size_t power = std::string("kKmMgG").find(suffix);
    if (power == std::string::npos) return std::nullopt;
    value <<= 10 * (power / 2 + 1);
  }
  if (value >> 64 != 0) return std::nullopt;
  return static_cast<size_t>(value);
}

std::optional<size_t> choice_in(const std::string& text, std::string choices) {
  for (size_t choice = 0;; ++choice) {
    const size_t end = choices.find('|');
    if (choices.substr(0, end) == text) return choice;
    if (end == std::string::npos) return std::nullopt;
    choices.erase(0, end + 1);
  }
}

std::string read_value(const OptionInfo& option, const std::string& text, size_t* value) {
  std::optional<size_t> found;
  if (option.choices != nullptr) {
    found = choice_in(text, option.choices);
  } else if (option.default_value == kAuto && text == "auto") {
    found = kAuto;
  } else if ((found = size_in(text)) && (*found < option.minimum || *found > option.maximum)) {
    return "value out of range";
  }
  if (!found) return "bad value";
  *value = *found;
  return "";
}

void read_piece(const std::string& piece, OptionOrigin origin, Expected* expected) {
  const size_t colon = piece.find(':');
  for (unsigned index = 0; index < kOptionCount; ++index) {
    const OptionInfo& option = kOptionInfos[index];
    if (piece.substr(0, colon) != option.key) continue;
    std::string what = "no value";
    if (colon != std::string::npos) {
      what = read_value(option, piece.substr(colon + 1), &expected->values[index]);
    }
    if (what.empty()) {
      expected->origins[index] = origin;
    } else {
      expected->faults.push_back({piece, what, &option});
    }
    return;
  }
  expected->faults.push_back({piece, "unknown option", nullptr});
}

void read(std::string text, OptionOrigin origin, Expected* expected) {
  while (!text.empty()) {
    const std::string piece = text.substr(0, text.find(','));
    if (!piece.empty()) read_piece(piece, origin, expected);
    text.erase(0, piece.size() + 1);
  }
}

// The message is made while the piece is there: it reads the piece too, and must end within its buffer.
void note(const OptionError& error, void* context) {
  char text[kOptionErrorBytes];
  describe(error, ", ignored", text, sizeof text);
  ASSERT_LT(strnlen(text, sizeof text) + 1, sizeof text) << "cut off";
  static_cast<std::vector<Fault>*>(context)->push_back(
      {std::string(error.piece, error.length), error.what, error.option});
}

void compare(const Expected& expected, const std::vector<Fault>& faults) {
  for (unsigned index = 0; index < kOptionCount; ++index) {
    ASSERT_EQ(option_value(index), expected.values[index]) << kOptionInfos[index].key;
    ASSERT_EQ(g_option_origins[index], expected.origins[index]) << kOptionInfos[index].key;
  }
  ASSERT_EQ(faults.size(), expected.faults.size());
  for (size_t i = 0; i < faults.size(); ++i) {
    ASSERT_EQ(faults[i].piece, expected.faults[i].piece);
    ASSERT_EQ(faults[i].what, expected.faults[i].what) << faults[i].piece;
    ASSERT_EQ(faults[i].option, expected.faults[i].option) << faults[i].piece;
  }
}

}  // namespace
}  // namespace ashlar

// The text, and behind a line end a second one that comes later: the environment's after the built-in one.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ashlar;
  fuzz::Bytes bytes(data, std::min(size, kMostText));
  std::string text(bytes.rest());
  text = text.substr(0, text.find('\0'));
  g_options = Options{};
  Expected expected;
  for (const OptionInfo& option : kOptionInfos) {
    g_option_origins[expected.values.size()] = OptionOrigin::kDefault;
    expected.values.push_back(option.default_value);
    expected.origins.push_back(OptionOrigin::kDefault);
  }
  std::vector<Fault> faults;
  const size_t end = std::min(text.find('\n'), text.size());
  for (const bool second : {false, true}) {
    if (second && end == text.size()) break;
    const std::string part = second ? text.substr(end + 1) : text.substr(0, end);
    const OptionOrigin origin = second ? OptionOrigin::kEnvironment : OptionOrigin::kLibrary;
    read(part, origin, &expected);
    parse_options(EndOfPage(part).text(), origin, note, &faults);
  }
  compare(expected, faults);
  return 0;
}
