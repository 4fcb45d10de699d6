// The option parser. Nothing here knows a single option: the table in options.def is all there is.
#include "base/options.h"

namespace ashlar {

constinit const OptionInfo kOptionInfos[kOptionCount] = {
#define ASHLAR_OPTION_SIZE(key, fallback, minimum, maximum, text) \
  {#key, nullptr, text, fallback, minimum, maximum, OptionKind::kSize},
#define ASHLAR_OPTION_COUNT(key, fallback, minimum, maximum, text) \
  {#key, nullptr, text, fallback, minimum, maximum, OptionKind::kCount},
#define ASHLAR_OPTION_CHOICE(key, fallback, choices, text) \
  {#key, choices, text, fallback, 0, 0, OptionKind::kChoice},
#include "base/options.def"
#undef ASHLAR_OPTION_SIZE
#undef ASHLAR_OPTION_COUNT
#undef ASHLAR_OPTION_CHOICE
};

constinit Options g_options;
constinit OptionOrigin g_option_origins[kOptionCount] = {};

namespace {

struct Piece {
  const char* start;
  size_t length;
};

bool equals(const Piece& piece, const char* text, size_t length) {
  if (piece.length != length) return false;
  for (size_t i = 0; i < length; ++i) {
    if (piece.start[i] != text[i]) return false;
  }
  return true;
}

size_t length_of(const char* text) {
  size_t length = 0;
  while (text[length] != 0)
    ++length;
  return length;
}

size_t* value_slot(unsigned index) {
  size_t* const slots[kOptionCount] = {
#define ASHLAR_OPTION_SIZE(key, fallback, minimum, maximum, text) &g_options.key,
#define ASHLAR_OPTION_COUNT(key, fallback, minimum, maximum, text) &g_options.key,
#define ASHLAR_OPTION_CHOICE(key, fallback, choices, text) &g_options.key,
#include "base/options.def"
#undef ASHLAR_OPTION_SIZE
#undef ASHLAR_OPTION_COUNT
#undef ASHLAR_OPTION_CHOICE
  };
  return slots[index];
}

// For sizes, and for counts as well: decimal digits with an optional suffix k, m or g (either case). False on
// anything else or overflow.
bool parse_size(const Piece& piece, size_t* value) {
  size_t result = 0;
  size_t i = 0;
  for (; i < piece.length && piece.start[i] >= '0' && piece.start[i] <= '9'; ++i) {
    if (__builtin_mul_overflow(result, size_t{10}, &result)) return false;
    if (__builtin_add_overflow(result, static_cast<size_t>(piece.start[i] - '0'), &result)) return false;
  }
  if (i == 0) return false;
  unsigned shift = 0;
  if (i < piece.length) {
    const char suffix = static_cast<char>(piece.start[i] | 0x20);
    shift = suffix == 'k' ? 10 : suffix == 'm' ? 20 : suffix == 'g' ? 30 : 0;
    if (shift == 0 || ++i != piece.length) return false;
  }
  *value = result << shift;
  return (*value >> shift) == result;
}

bool parse_choice(const Piece& piece, const OptionInfo& option, size_t* value) {
  for (size_t choice = 0;; ++choice) {
    size_t length = 0;
    const char* name = choice_name(option, choice, &length);
    if (name == nullptr) return false;
    if (equals(piece, name, length)) {
      *value = choice;
      return true;
    }
  }
}

const char* parse_value(const Piece& piece, const OptionInfo& option, size_t* value) {
  if (option.choices != nullptr) return parse_choice(piece, option, value) ? nullptr : "bad value";
  if (option.default_value == kAuto && equals(piece, "auto", 4)) {
    *value = kAuto;
    return nullptr;
  }
  if (!parse_size(piece, value)) return "bad value";
  return *value < option.minimum || *value > option.maximum ? "value out of range" : nullptr;
}

void parse_piece(const Piece& piece, OptionOrigin origin, OptionErrorHandler on_error, void* context) {
  size_t colon = 0;
  while (colon < piece.length && piece.start[colon] != ':')
    ++colon;
  const Piece key{piece.start, colon};
  for (unsigned index = 0; index < kOptionCount; ++index) {
    const OptionInfo& option = kOptionInfos[index];
    if (!equals(key, option.key, length_of(option.key))) continue;
    size_t value = 0;
    const char* what = "no value";
    if (colon < piece.length) {
      what = parse_value(Piece{piece.start + colon + 1, piece.length - colon - 1}, option, &value);
    }
    if (what != nullptr) {
      on_error(OptionError{piece.start, piece.length, what, &option}, context);
      return;
    }
    *value_slot(index) = value;
    g_option_origins[index] = origin;
    return;
  }
  on_error(OptionError{piece.start, piece.length, "unknown option", nullptr}, context);
}

}  // namespace

void parse_options(const char* text, OptionOrigin origin, OptionErrorHandler on_error, void* context) {
  while (*text != 0) {
    size_t length = 0;
    while (text[length] != 0 && text[length] != ',')
      ++length;
    if (length > 0) parse_piece(Piece{text, length}, origin, on_error, context);
    text += length + (text[length] == ',' ? 1 : 0);
  }
}

size_t option_value(unsigned index) { return *value_slot(index); }

const char* choice_name(const OptionInfo& option, size_t value, size_t* length) {
  const char* name = option.choices;
  for (;; --value) {
    *length = 0;
    while (name[*length] != 0 && name[*length] != '|')
      ++*length;
    if (value == 0) return name;
    if (name[*length] == 0) return nullptr;
    name += *length + 1;
  }
}

}  // namespace ashlar
