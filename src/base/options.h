// Options: one declaration each (options.def), one parser, one dump.
//
// Owns the values. They are written while the heap is initialised, by one thread, and only read
// afterwards. Reads the text that it is given; who finds the text (environment, link-time default)
// is heap/init.cc.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/types.h"

namespace ashlar {

inline constexpr size_t kAuto = SIZE_MAX;

// Where a value came from, for the dump: the table, ASHLAR_DEFAULT_CONF when the library was configured, the
// program's variable ashlar_conf, ASHLAR_CONF.
enum class OptionOrigin : uint8_t { kDefault, kLibrary, kProgram, kEnvironment };

enum class OptionKind : uint8_t { kSize, kCount, kChoice };

struct OptionInfo {
  const char* key;
  const char* choices;  // null for sizes and counts
  const char* text;
  size_t default_value;
  size_t minimum;
  size_t maximum;
  OptionKind kind;
};

struct Options {
#define ASHLAR_OPTION_SIZE(key, fallback, minimum, maximum, text) size_t key = fallback;
#define ASHLAR_OPTION_COUNT(key, fallback, minimum, maximum, text) size_t key = fallback;
#define ASHLAR_OPTION_CHOICE(key, fallback, choices, text) size_t key = fallback;
#include "base/options.def"
#undef ASHLAR_OPTION_SIZE
#undef ASHLAR_OPTION_COUNT
#undef ASHLAR_OPTION_CHOICE
};

enum OptionIndex : unsigned {
#define ASHLAR_OPTION_SIZE(key, fallback, minimum, maximum, text) kOption_##key,
#define ASHLAR_OPTION_COUNT(key, fallback, minimum, maximum, text) kOption_##key,
#define ASHLAR_OPTION_CHOICE(key, fallback, choices, text) kOption_##key,
#include "base/options.def"
#undef ASHLAR_OPTION_SIZE
#undef ASHLAR_OPTION_COUNT
#undef ASHLAR_OPTION_CHOICE
  kOptionCount
};

extern constinit const OptionInfo kOptionInfos[kOptionCount];
extern constinit Options g_options;
extern constinit OptionOrigin g_option_origins[kOptionCount];

// What was wrong with one `key:value` of the text; start and length name the piece.
struct OptionError {
  const char* piece;
  size_t length;
  const char* what;          // "unknown option", "bad value", ...
  const OptionInfo* option;  // null when the key is unknown
};
// In words, with what would be right: base/option_text.h.

using OptionErrorHandler = void (*)(const OptionError&, void* context);

// Parses "key:value,key:value" into g_options. A bad piece is reported and skipped, the others hold.
// Not thread-safe; the heap is not yet shared when it is called.
void parse_options(const char* text, OptionOrigin origin, OptionErrorHandler on_error, void* context);

// The value of an option by index.
size_t option_value(unsigned index);

// The name of choice `value` of an option with choices: *length characters from the result.
const char* choice_name(const OptionInfo& option, size_t value, size_t* length);

}  // namespace ashlar
