// Text to a file descriptor from a stack buffer: no allocation, no stdio.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ashlar::stats {

class Writer {
 public:
  explicit Writer(int fd) : fd_(fd) {}
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  Writer& text(const char* text);
  Writer& text(const char* text, size_t length);
  Writer& number(size_t value);
  Writer& right(size_t value, unsigned width);                     // right-aligned number
  Writer& left(const char* text, unsigned width);                  // left-aligned text
  Writer& fixed(double value, unsigned decimals, unsigned width);  // right-aligned; value >= -1e15
  Writer& bytes(size_t value, unsigned width);                     // "12.3 MiB", right-aligned
  Writer& percent(double share, unsigned width) { return fixed(share * 100, 1, width).text(" %"); }

  // Writes what is buffered. 0, or the errno value of the first write that failed.
  int finish();

 private:
  void pad(unsigned width, size_t length);

  int fd_;
  int error_ = 0;
  size_t length_ = 0;
  char buffer_[1024];
};

}  // namespace ashlar::stats
