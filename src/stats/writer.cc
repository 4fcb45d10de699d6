#include "stats/writer.h"

#include <sys/mman.h>

#include "base/types.h"
#include "os/sys.h"

namespace ashlar::stats {

namespace {

constexpr size_t kDigits = 24;

// What the longest report fits into: the JSON of a heap that uses every size class took 20 KB.
constexpr size_t kMapped = 64 * kKiB;

// A pipe takes that much whole (PIPE_BUF); of more, what doesn't fit comes behind what others write
// meanwhile.
constexpr size_t kWholeInPipe = 4096;

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

// The bytes of text up to its last line end; 0: it has none.
size_t whole_lines(const char* text, size_t size) {
  while (size > 0 && text[size - 1] != '\n')
    --size;
  return size;
}

// The bytes of text up to its first line end; all where it has none.
size_t first_line(const char* text, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    if (text[i] == '\n') return i + 1;
  }
  return size;
}

}  // namespace

Writer::~Writer() {
  if (buffer_ != own_) os::sys::munmap(buffer_, kMapped);
}

Writer& Writer::text(const char* text, size_t length) {
  for (size_t i = 0; i < length; ++i) {
    if (length_ == capacity_) make_room();
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

// A larger buffer, or else the whole lines of this one are written.
void Writer::make_room() {
  if (buffer_ == own_) {
    const intptr_t mapped = os::sys::mmap(nullptr, kMapped, PROT_READ | PROT_WRITE, 0);
    if (!os::sys::failed(mapped)) {
      buffer_ = reinterpret_cast<char*>(mapped);
      capacity_ = kMapped;
      for (size_t i = 0; i < length_; ++i)
        buffer_[i] = own_[i];
      return;
    }
  }
  size_t written = whole_lines(buffer_, length_);
  if (written == 0) written = length_;
  write_out(buffer_, written);
  for (size_t i = written; i < length_; ++i)
    buffer_[i - written] = buffer_[i];
  length_ -= written;
}

void Writer::write_out(const char* text, size_t size) {
  const bool in_pieces = size > kWholeInPipe && os::sys::is_pipe(fd_);
  while (size > 0 && error_ == 0) {
    size_t piece = size;
    if (in_pieces && size > kWholeInPipe) {
      piece = whole_lines(text, kWholeInPipe);
      if (piece == 0) piece = first_line(text, size);
    }
    const intptr_t written = os::sys::write(fd_, text, piece);
    if (written == -4) continue;  // EINTR
    if (written <= 0) {
      error_ = written < 0 ? static_cast<int>(-written) : 5;
      break;
    }
    text += written;
    size -= static_cast<size_t>(written);
  }
}

int Writer::finish() {
  write_out(buffer_, length_);
  length_ = 0;
  return error_;
}

}  // namespace ashlar::stats
