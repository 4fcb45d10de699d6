// Messages built on the stack and written with write(2); the end of a program whose heap is corrupt.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ashlar::os {

// A line of text under construction. What doesn't fit is cut off. Allocates nothing.
class Message {
 public:
  Message& text(const char* text);
  Message& text(const char* text, size_t length);
  Message& hex(uintptr_t value);
  Message& number(size_t value);

  // Writes "ashlar: ", the text and a line end in one call.
  void write_line(int fd) const;

  // Writes the text between two others, of 16 bytes together at most, in one call.
  void print(int fd, const char* before, const char* behind) const;

 private:
  char buffer_[480];
  size_t length_ = 0;
};

// Writes the message, with " (process N)" behind it, to stderr and stops the program with SIGABRT.
[[noreturn]] void fatal(const Message& message);

// A broken invariant of our own: names it and stops.
[[noreturn]] void invariant_failed(const char* condition, const char* file, int line);

}  // namespace ashlar::os

// Checked in every build: cheap, off the fast path.
#define ASHLAR_CHECK(condition)                \
  (__builtin_expect(!!(condition), 1) ? void() \
                                      : ::ashlar::os::invariant_failed(#condition, __FILE_NAME__, __LINE__))

// Checked in builds with ASHLAR_INVARIANTS only.
#ifdef ASHLAR_INVARIANTS
#define ASHLAR_DCHECK(condition) ASHLAR_CHECK(condition)
#else
#define ASHLAR_DCHECK(condition) static_cast<void>(0)
#endif
#ifndef __FILE_NAME__
#define __FILE_NAME__ __FILE__
#endif
