#include "os/fatal.h"

#include <stdlib.h>
#include <string.h>

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

void Message::write_line(int fd) const { print(fd, "ashlar: ", "\n"); }

void Message::print(int fd, const char* before, const char* behind) const {
  char line[sizeof buffer_ + 16];
  size_t length = 0;
  const auto add = [&](const char* text, size_t count) {
    for (size_t i = 0; i < count && length < sizeof line; ++i)
      line[length++] = text[i];
  };
  add(before, strlen(before));
  add(buffer_, length_);
  add(behind, strlen(behind));
  const char* rest = line;
  while (length > 0) {
    const intptr_t written = sys::write(fd, rest, length);
    if (written <= 0) return;
    rest += written;
    length -= static_cast<size_t>(written);
  }
}

// The number last, in a write of its own: a sandbox may kill the process at the call that asks for it.
void fatal(const Message& message) {
  message.print(2, "ashlar: ", "");
  Message().text(" (process ").number(static_cast<size_t>(sys::process_id())).text(")").print(2, "", "\n");
  abort();
}

void invariant_failed(const char* condition, const char* file, int line) {
  Message message;
  message.text("broken invariant: ").text(condition).text(" at ").text(file).text(":");
  fatal(message.number(static_cast<size_t>(line)));
}

}  // namespace ashlar::os
