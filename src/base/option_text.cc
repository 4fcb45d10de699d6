// See option_text.h. What almost no process runs.
#include "base/option_text.h"

#include "base/near_word.h"

namespace ashlar {

namespace {

// Of what the user wrote. With these, kOptionErrorBytes hold every message.
constexpr size_t kShownOfPiece = 120;
constexpr size_t kShownOfValue = 40;

struct Span {
  const char* start;
  size_t length;
};

class Line {
 public:
  Line(char* out, size_t size) : out_(out), room_(size - 1) { *out_ = 0; }

  Line& text(const Span& span) {
    for (size_t i = 0; i < span.length && room_ > 0; ++i, --room_)
      *out_++ = span.start[i];
    *out_ = 0;
    return *this;
  }
  Line& text(const char* text) {
    size_t length = 0;
    while (text[length] != 0)
      ++length;
    return this->text(Span{text, length});
  }

 private:
  char* out_;
  size_t room_;
};

bool is_one_of(char letter, const char* letters) {
  for (; *letters != 0; ++letters) {
    if (*letters == letter) return true;
  }
  return false;
}

// The beginning of `span` up to the first of `letters`.
Span up_to(const Span& span, const char* letters) {
  size_t length = 0;
  while (length < span.length && !is_one_of(span.start[length], letters))
    ++length;
  return {span.start, length};
}

// The beginning of `span` that is of `letters` alone.
Span while_in(const Span& span, const char* letters) {
  size_t length = 0;
  while (length < span.length && is_one_of(span.start[length], letters))
    ++length;
  return {span.start, length};
}

// What follows the first `length` letters, which may be more than there are.
Span after(const Span& span, size_t length) {
  const size_t skipped = length < span.length ? length : span.length;
  return {span.start + skipped, span.length - skipped};
}

// The option that was meant by an unknown key, or null.
const char* nearest_key(const Span& word) {
  const char* nearest = nullptr;
  size_t least = most_edits(word.length) + 1;
  for (const OptionInfo& option : kOptionInfos) {
    size_t length = 0;
    while (option.key[length] != 0)
      ++length;
    const size_t distance = edit_distance(word.start, word.length, option.key, length);
    if (distance >= least) continue;
    least = distance;
    nearest = option.key;
  }
  return nearest;
}

// Between key and value, and between pairs, other letters are mistaken for the right ones: key=value;
// key=value.
constexpr const char* kSeparators = ":=; \t";
constexpr const char* kBlanks = " \t";
constexpr const char* kForm = " (key:value,key:value, without blanks)";

void describe_key(Line& line, const Span& piece) {
  const Span blanks = while_in(piece, kBlanks);
  const Span trimmed = after(piece, blanks.length);
  const Span word = up_to(trimmed, kSeparators);
  const char* const key = nearest_key(word);
  if (key == nullptr) {
    line.text("; the options are:");
    for (const OptionInfo& option : kOptionInfos)
      line.text(" ").text(option.key);
    return;
  }
  line.text("; did you mean ").text(key);
  const Span rest = after(trimmed, word.length + 1);
  const Span value = up_to(rest, kSeparators);
  if (value.length > 0 && value.length <= kShownOfValue) line.text(":").text(value);
  line.text("?");
  const bool colon = word.length == trimmed.length || trimmed.start[word.length] == ':';
  if (blanks.length > 0 || !colon || value.length < rest.length) line.text(kForm);
}

void describe_value(Line& line, const OptionInfo& option) {
  if (option.kind == OptionKind::kChoice) {
    line.text("; one of ").text(option.choices);
    return;
  }
  line.text(option.kind == OptionKind::kCount ? "; a number from " : "; a size from ");
  line.text(number_text(option.kind, option.minimum).text).text(" to ");
  line.text(number_text(option.kind, option.maximum).text);
  if (option.kind == OptionKind::kSize) line.text(", with k, m or g");
  if (option.default_value == kAuto) line.text(", or auto");
}

}  // namespace

NumberText number_text(OptionKind kind, size_t value) {
  if (value == kAuto) return {"auto"};
  static constexpr char kSuffixes[] = {0, 'k', 'm', 'g'};
  unsigned power = 0;
  for (; kind == OptionKind::kSize && power < 3 && value != 0 && value % 1024 == 0; ++power)
    value /= 1024;
  NumberText result = {};
  size_t digits = 0;
  for (size_t rest = value; digits == 0 || rest != 0; rest /= 10)
    ++digits;
  result.text[digits] = kSuffixes[power];
  for (; digits > 0; value /= 10)
    result.text[--digits] = static_cast<char>('0' + value % 10);
  return result;
}

void describe(const OptionError& error, const char* consequence, char* out, size_t size) {
  Line line(out, size);
  const Span piece{error.piece, error.length};
  const bool is_long = piece.length > kShownOfPiece;
  line.text(error.what).text(" in '").text(Span{piece.start, is_long ? kShownOfPiece : piece.length});
  line.text(is_long ? "...'" : "'").text(consequence);
  if (error.option == nullptr) {
    describe_key(line, piece);
    return;
  }
  describe_value(line, *error.option);
  const Span value = after(piece, up_to(piece, ":").length + 1);
  if (up_to(value, kSeparators).length < value.length) line.text(kForm);
}

}  // namespace ashlar
