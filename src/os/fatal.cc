#include "os/fatal.h"

#include <stdlib.h>

#include "os/sys.h"

namespace ashlar::os {

Message& Message::text(const char* text) {
  while (*text != 0 && length_ < sizeof buffer_)
    buffer_[length_++] = *text++;
  return *this;
}

Message& Message::text(const char* text, size_t length) {
  for (size_t i = 0; i < length && length_ < sizeof buffer_; ++i)
    buffer_[length_++] = text[i];
  return *this;
}

Message& Message::hex(uintptr_t value) {
  char digits[18];
  size_t count = 0;
  do {
    digits[count++] = "0123456789abcdef"[value & 15];
    value >>= 4;
  } while (value != 0);
  text("0x");
  while (count > 0)
    text(&digits[--count], 1);
  return *this;
}

Message& Message::number(size_t value) {
  char digits[20];
  size_t count = 0;
  do {
    digits[count++] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  while (count > 0)
    text(&digits[--count], 1);
  return *this;
}

void Message::write_line(int fd) const { write_line(fd, Message{}); }

void Message::write_line_of_process(int fd) const {
  write_line(fd, Message().text(" (process ").number(static_cast<size_t>(sys::process_id())).text(")"));
}

void Message::write_line(int fd, const Message& end) const {
  char line[sizeof buffer_ + 48] = "ashlar: ";
  size_t length = 8;
  for (size_t i = 0; i < length_; ++i)
    line[length++] = buffer_[i];
  for (size_t i = 0; i < end.length_ && length + 1 < sizeof line; ++i)
    line[length++] = end.buffer_[i];
  line[length++] = '\n';
  const char* rest = line;
  while (length > 0) {
    const intptr_t written = sys::write(fd, rest, length);
    if (written <= 0) return;
    rest += written;
    length -= static_cast<size_t>(written);
  }
}

void fatal(const Message& message) {
  message.write_line_of_process(2);
  abort();
}

void invariant_failed(const char* condition, const char* file, int line) {
  Message message;
  message.text("broken invariant: ").text(condition).text(" at ").text(file).text(":");
  fatal(message.number(static_cast<size_t>(line)));
}

}  // namespace ashlar::os
