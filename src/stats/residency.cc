#include "stats/residency.h"

#include "os/sys.h"
#include "os/system.h"

namespace ashlar::stats {

namespace {

// Lines of a file through a small buffer; longer lines are cut.
class LineReader {
 public:
  explicit LineReader(const char* path) : fd_(static_cast<int>(os::sys::open_read_only(path))) {}
  ~LineReader() {
    if (fd_ >= 0) os::sys::close(fd_);
  }
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;
  bool is_open() const { return fd_ >= 0; }

  // The next line, null-terminated, or null at the end.
  const char* next() {
    size_t length = 0;
    for (;;) {
      if (at_ == filled_) {
        const intptr_t got = os::sys::read(fd_, buffer_, sizeof buffer_);
        if (got <= 0) return length > 0 ? finish(length) : nullptr;
        at_ = 0;
        filled_ = static_cast<size_t>(got);
      }
      const char c = buffer_[at_++];
      if (c == '\n') return finish(length);
      if (length < sizeof line_ - 1) line_[length++] = c;
    }
  }

 private:
  const char* finish(size_t length) {
    line_[length] = 0;
    return line_;
  }

  int fd_;
  size_t at_ = 0;
  size_t filled_ = 0;
  char line_[128];
  char buffer_[2048];
};

struct Range {
  uintptr_t start, end;
};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// "start-end ..." of a mapping's first line.
bool parse_range(const char* line, Range* range) {
  uintptr_t values[2] = {0, 0};
  for (int i = 0; i < 2; ++i) {
    const char* const first = line;
    for (; hex_digit(*line) >= 0; ++line)
      values[i] = values[i] * 16 + static_cast<uintptr_t>(hex_digit(*line));
    if (line == first || *line != (i == 0 ? '-' : ' ')) return false;
    ++line;
  }
  *range = Range{values[0], values[1]};
  return true;
}

// "Rss:   123 kB": the bytes.
bool parse_rss(const char* line, size_t* bytes) {
  if (line[0] != 'R' || line[1] != 's' || line[2] != 's' || line[3] != ':') return false;
  size_t kilobytes = 0;
  for (line += 4; *line != 0; ++line) {
    if (*line >= '0' && *line <= '9') kilobytes = kilobytes * 10 + static_cast<size_t>(*line - '0');
  }
  *bytes = kilobytes * kKiB;
  return true;
}

}  // namespace

PageBits resident_pages(uintptr_t start, unsigned pages) {
  PageBits result{};
  unsigned char vector[kPagesPerChunk];
  const size_t page_size = os::page_size();
  const unsigned grain = static_cast<unsigned>(page_size / kPageSize);
  const uintptr_t first = start & ~(page_size - 1);
  const unsigned skipped = static_cast<unsigned>((start - first) >> kPageShift);
  const intptr_t answer =
      os::sys::mincore(reinterpret_cast<void*>(first), (start - first) + pages_to_bytes(pages), vector);
  if (answer == os::sys::kNoMemory) return result;  // given back (window_limits.cc)
  const bool known = !os::sys::failed(answer);
  for (unsigned page = 0; page < pages; ++page) {
    if (!known || (vector[(page + skipped) / grain] & 1) != 0)
      result.bits[page / 64] |= uint64_t{1} << (page % 64);
  }
  return result;
}

size_t resident_bytes(uintptr_t start, size_t size) {
  size_t pages = 0;
  for (size_t done = 0; done < size;) {
    const size_t left = (size - done + kPageSize - 1) >> kPageShift;
    const unsigned here = left < kPagesPerChunk ? static_cast<unsigned>(left) : kPagesPerChunk;
    const PageBits bits = resident_pages(start + done, here);
    for (const uint64_t word : bits.bits)
      pages += static_cast<size_t>(__builtin_popcountll(word));
    done += pages_to_bytes(here);
  }
  return pages_to_bytes(pages);
}

bool visit_mappings(void (*visit)(uintptr_t, uintptr_t, size_t, void*), void* context) {
  LineReader reader("/proc/self/smaps");
  if (!reader.is_open()) return false;
  Range mapping{0, 0};
  size_t resident = 0;
  while (const char* line = reader.next()) {
    Range range{0, 0};
    if (parse_range(line, &range)) {
      mapping = range;
    } else if (parse_rss(line, &resident) && resident > 0) {
      visit(mapping.start, mapping.end, resident, context);
    }
  }
  return true;
}

}  // namespace ashlar::stats
