// Text to a file descriptor, so that the reports of several processes to one file or pipe don't cut each
// other: in one write(2) where the text fits, else in whole lines (what is one line alone, as JSON is, may be
// cut by a full pipe). No stdio, nothing from the heap.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ashlar::stats {

class Writer {
 public:
  explicit Writer(int fd) : fd_(fd) {}
  ~Writer();
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
  void make_room();
  void write_out(const char* text, size_t size);

  int fd_;
  int error_ = 0;
  size_t length_ = 0;
  size_t capacity_ = sizeof own_;
  char* buffer_ = own_;  // or a mapping, from the moment that own_ is full; own_ again where none is had
  char own_[1024];       // the stack may be a small thread's
};

}  // namespace ashlar::stats
