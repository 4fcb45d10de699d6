// traps.md 12: mallinfo, mallinfo2, malloc_info, malloc_stats, mallopt and malloc_trim tell of this heap,
// and tell the truth.
#include "support.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <string.h>
#include <unistd.h>

#include <cctype>
#include <climits>
#include <cstdio>
#include <cstdlib>

namespace interface_test {
namespace {

// A block list that lives until the end of the test.
class Blocks {
 public:
  Blocks(size_t count, size_t size) {
    for (size_t i = 0; i < count; ++i) {
      blocks_.push_back(std::malloc(size));
      memset(opaque(blocks_.back()), 1, size);
    }
  }
  ~Blocks() { release(); }
  void release() {
    for (void* p : blocks_) {
      std::free(p);
    }
    blocks_.clear();
  }

 private:
  std::vector<void*> blocks_;
};

std::string info_text() {
  char* text = nullptr;
  size_t size = 0;
  FILE* const stream = open_memstream(&text, &size);
  EXPECT_EQ(malloc_info(0, stream), 0);
  std::fclose(stream);
  std::string copy(text, size);
  std::free(text);
  return copy;
}

// Takes one tag of an XML text at `at` (text[at] == '<'), keeps the stack of open elements; false when it
// is no tag or closes what isn't open.
bool take_tag(const std::string& xml, size_t& at, std::vector<std::string>& open) {
  const size_t end = xml.find('>', at);
  if (end == std::string::npos) {
    return false;
  }
  const std::string tag = xml.substr(at + 1, end - at - 1);
  at = end + 1;
  if (tag.empty() || std::count(tag.begin(), tag.end(), '"') % 2 != 0 || tag.find('<') != std::string::npos) {
    return false;
  }
  if (tag.front() == '?' || tag.front() == '!') {
    return true;
  }
  if (tag.front() == '/') {
    const bool matches = !open.empty() && open.back() == tag.substr(1);
    if (matches) {
      open.pop_back();
    }
    return matches;
  }
  if (tag.back() != '/') {
    open.push_back(tag.substr(0, tag.find_first_of(" \n\t")));
  }
  return std::isalpha(static_cast<unsigned char>(tag.front())) != 0;
}

// Well-formed as far as malloc_info needs: one root, every element closed in order, no stray brackets.
bool well_formed(const std::string& xml, std::string& root) {
  std::vector<std::string> open;
  int roots = 0;
  for (size_t at = xml.find('<'); at != std::string::npos; at = xml.find('<', at)) {
    const bool outside = open.empty();
    if (!take_tag(xml, at, open)) {
      return false;
    }
    if (outside && !open.empty()) {
      ++roots;
      root = open.front();
    }
  }
  return roots == 1 && open.empty() && xml.find('&') == std::string::npos;
}

// The size attribute of the first <NAME type="TYPE" ...>.
size_t attribute(const std::string& xml, const std::string& element) {
  const size_t at = xml.rfind(element);
  const size_t size = at == std::string::npos ? at : xml.find("size=\"", at);
  return size == std::string::npos ? 0 : std::strtoull(xml.c_str() + size + 6, nullptr, 10);
}

// What the call writes to stderr.
template <typename Call>
std::string stderr_of(Call call) {
  FILE* const file = std::tmpfile();
  const int saved = dup(STDERR_FILENO);
  std::fflush(stderr);
  dup2(fileno(file), STDERR_FILENO);
  call();
  std::fflush(stderr);
  dup2(saved, STDERR_FILENO);
  close(saved);
  std::string text(64 * kKiB, '\0');
  const ssize_t got = pread(fileno(file), text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  std::fclose(file);
  return text;
}

TEST(Mallinfo2, AddsUp) {
  const Blocks small(10000, 100);
  const Blocks pages(100, 20000);
  const Blocks huge(2, 100 * kMiB);
  const struct mallinfo2 info = mallinfo2();
  EXPECT_EQ(info.uordblks + info.fordblks, info.arena);
  EXPECT_GE(info.uordblks, 10000 * 100U + 100 * 20000U);
  EXPECT_GE(info.hblkhd, 200 * kMiB);
  EXPECT_GE(info.hblks, 2U);
  EXPECT_LE(info.keepcost, info.fordblks);
}

TEST(Mallinfo2, AgreesWithTheStatistics) {
  const Blocks small(10000, 100);
  const Blocks huge(2, 100 * kMiB);
  const auto stats = read_stats();
  ASSERT_NE(stats, nullptr) << "no ashlar_stats";
  const struct mallinfo2 info = mallinfo2();
  EXPECT_EQ(info.arena, stats->window_opened);
  EXPECT_EQ(info.hblkhd, stats->direct_bytes);
  EXPECT_EQ(info.hblks, stats->direct_blocks);
  EXPECT_EQ(info.uordblks, stats->live_bytes);
  EXPECT_EQ(stats->live_bytes + stats->free_bytes + stats->cached_bytes, stats->window_opened);
  EXPECT_EQ(heap_faults(), 0);
}

TEST(Mallinfo2, MovesWithTheAllocations) {
  const struct mallinfo2 before = mallinfo2();
  {
    const Blocks small(100000, 200);
    const Blocks huge(1, 100 * kMiB);
    const struct mallinfo2 during = mallinfo2();
    EXPECT_GE(during.uordblks, before.uordblks + 100000 * 200);
    EXPECT_LE(during.uordblks, before.uordblks + 100000 * 240);
    EXPECT_GE(during.hblkhd, before.hblkhd + 100 * kMiB);
    EXPECT_EQ(during.hblks, before.hblks + 1);
  }
  const struct mallinfo2 after = mallinfo2();
  EXPECT_LE(after.uordblks, before.uordblks + 4 * kKiB);
  EXPECT_EQ(after.hblkhd, before.hblkhd);
  EXPECT_EQ(after.hblks, before.hblks);
}

TEST(Mallinfo, IsMallinfo2InInts) {
  const Blocks small(10000, 100);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  const struct mallinfo old = mallinfo();
#pragma GCC diagnostic pop
  const struct mallinfo2 info = mallinfo2();
  ASSERT_LT(info.arena, static_cast<size_t>(INT_MAX));
  EXPECT_EQ(static_cast<size_t>(old.arena), info.arena);
  EXPECT_EQ(static_cast<size_t>(old.hblkhd), info.hblkhd);
  EXPECT_EQ(static_cast<size_t>(old.uordblks), info.uordblks);
  EXPECT_EQ(static_cast<size_t>(old.fordblks), info.fordblks);
}

TEST(MallocInfo, IsWellFormedXml) {
  const Blocks small(10000, 100);
  const std::string xml = info_text();
  std::string root;
  EXPECT_TRUE(well_formed(xml, root)) << xml;
  EXPECT_EQ(root, "malloc") << xml;
}

TEST(MallocInfo, TellsWhatIsOpened) {
  const Blocks small(100000, 200);
  const std::string xml = info_text();
  const struct mallinfo2 info = mallinfo2();
  const size_t current = attribute(xml, "<system type=\"current\"");
  EXPECT_GE(current, info.uordblks) << xml;
  EXPECT_LE(current, info.arena + info.hblkhd) << xml;
}

TEST(MallocInfo, MovesWithTheAllocations) {
  const std::string before = info_text();
  const Blocks huge(1, 25 * kMiB);
  const std::string during = info_text();
  EXPECT_NE(before, during);
  EXPECT_GE(attribute(during, "<system type=\"current\""), 25 * kMiB);
}

TEST(MallocInfo, RefusesUnknownOptions) {
  FILE* const file = std::tmpfile();
  EXPECT_EQ(malloc_info(opaque(1), file), EINVAL);
  EXPECT_EQ(std::ftell(file), 0);
  std::fclose(file);
}

TEST(MallocStats, WritesThisHeapToStderr) {
  const Blocks small(100000, 200);
  const std::string text = stderr_of([] { malloc_stats(); });
  size_t largest = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (std::isdigit(static_cast<unsigned char>(text[i])) != 0) {
      char* end = nullptr;
      largest = std::max<size_t>(largest, std::strtoull(text.c_str() + i, &end, 10));
      i = static_cast<size_t>(end - text.c_str());
    }
  }
  EXPECT_GE(largest, 100000U * 200U) << text;
  EXPECT_NE(text.find("in use bytes"), std::string::npos) << text;
}

TEST(Mallopt, AnswersAndBreaksNothing) {
  for (const int parameter : {M_MXFAST, M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_MMAP_MAX,
                              M_ARENA_MAX, M_ARENA_TEST, M_CHECK_ACTION}) {
    const int answer = mallopt(parameter, 1);
    EXPECT_TRUE(answer == 0 || answer == 1) << parameter;
  }
  EXPECT_EQ(mallopt(M_ARENA_MAX, 2), 1) << "programs check this one";
  const Blocks small(1000, 100);
  const Blocks large(10, kMiB);
  EXPECT_EQ(heap_faults(), 0);
}

TEST(MallocTrim, GivesMemoryBackAndSaysSo) {
  malloc_trim(0);
  Blocks pages(200, 100 * kKiB);
  Blocks small(50000, 100);
  pages.release();
  small.release();
  const size_t before = resident_bytes();
  EXPECT_EQ(malloc_trim(0), 1) << "freed memory waited to be returned";
  const size_t after = resident_bytes();
  EXPECT_LT(after, before);
  EXPECT_EQ(malloc_trim(0), 0) << "nothing was left to return";
  if (const auto stats = read_stats()) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    if (page == 4 * kKiB) {
      EXPECT_EQ(stats->dirty_bytes, 0U);
      EXPECT_EQ(stats->resident_dirty, 0U);
    }
    for (size_t order = 0; order < stats->orders; ++order) {
      if ((4 * kKiB << order) < page) continue;  // it shares a larger page of the kernel's with live blocks
      EXPECT_EQ(stats->order[order].free_dirty, 0U) << order;
    }
  }
}

TEST(MallocTrim, ReturnsWhatManySmallBlocksHeld) {
  malloc_trim(0);
  const size_t start = resident_bytes();
  {
    const Blocks small(500000, 100);
    EXPECT_GT(resident_bytes(), start + 40 * kMiB);
  }
  malloc_trim(0);
  EXPECT_LT(resident_bytes(), start + 8 * kMiB);
}

}  // namespace
}  // namespace interface_test
