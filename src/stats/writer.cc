#include "stats/writer.h"

#include "os/sys.h"

namespace ashlar::stats {

namespace {

constexpr size_t kDigits = 24;

// The digits of value, from the end of buffer backwards; returns their start.
char* digits_of(size_t value, char (&buffer)[kDigits]) {
  char* at = buffer + kDigits;
  do {
    *--at = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  return at;
}

size_t length_of(const char* text) {
  size_t length = 0;
  while (text[length] != 0)
    ++length;
  return length;
}

}  // namespace

Writer& Writer::text(const char* text, size_t length) {
  for (size_t i = 0; i < length; ++i) {
    if (length_ == sizeof buffer_) finish();
    buffer_[length_++] = text[i];
  }
  return *this;
}

Writer& Writer::text(const char* text) { return this->text(text, length_of(text)); }

void Writer::pad(unsigned width, size_t length) {
  for (; length < width; ++length)
    text(" ", 1);
}

Writer& Writer::number(size_t value) { return right(value, 0); }

Writer& Writer::right(size_t value, unsigned width) {
  char buffer[kDigits];
  const char* const start = digits_of(value, buffer);
  const size_t length = static_cast<size_t>(buffer + kDigits - start);
  pad(width, length);
  return text(start, length);
}

Writer& Writer::left(const char* text, unsigned width) {
  const size_t length = length_of(text);
  this->text(text, length);
  pad(width, length);
  return *this;
}

Writer& Writer::fixed(double value, unsigned decimals, unsigned width) {
  const bool negative = value < 0;
  if (negative) value = -value;
  size_t scale = 1;
  for (unsigned i = 0; i < decimals; ++i)
    scale *= 10;
  const double shifted = value * static_cast<double>(scale) + 0.5;  // libm's rounding is not ours to link
  const size_t scaled = static_cast<size_t>(shifted);
  char buffer[kDigits];
  const char* const whole = digits_of(scaled / scale, buffer);
  const size_t whole_length = static_cast<size_t>(buffer + kDigits - whole);
  const bool sign = negative && scaled != 0;
  pad(width, whole_length + (decimals > 0 ? decimals + 1 : 0) + (sign ? 1 : 0));
  if (sign) text("-", 1);
  text(whole, whole_length);
  if (decimals == 0) return *this;
  text(".", 1);
  for (size_t place = scale / 10; place > 0; place /= 10) {
    const char digit = static_cast<char>('0' + scaled / place % 10);
    text(&digit, 1);
  }
  return *this;
}

Writer& Writer::bytes(size_t value, unsigned width) {
  static constexpr const char* kUnits[] = {" B  ", " KiB", " MiB", " GiB", " TiB"};
  unsigned unit = 0;
  double scaled = static_cast<double>(value);
  while (scaled >= 1024 && unit < 4) {
    scaled /= 1024;
    ++unit;
  }
  fixed(scaled, unit == 0 ? 0 : 1, width > 4 ? width - 4 : 0);
  return text(kUnits[unit]);
}

int Writer::finish() {
  const char* rest = buffer_;
  while (length_ > 0 && error_ == 0) {
    const intptr_t written = os::sys::write(fd_, rest, length_);
    if (written == -4) continue;  // EINTR
    if (written <= 0) {
      error_ = written < 0 ? static_cast<int>(-written) : 5;
      break;
    }
    rest += written;
    length_ -= static_cast<size_t>(written);
  }
  length_ = 0;
  return error_;
}

}  // namespace ashlar::stats
