// stats/writer.h: what numbers look like, and that reports of several processes don't cut each other's lines.
#include "stats/writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "stats/process_name.h"
#include "support/support.h"

namespace ashlar::stats {
namespace {

TEST(Writer, AFailedWriteIsReported) {
  Writer writer(-1);
  writer.text("x");
  EXPECT_EQ(writer.finish(), EBADF);
}

TEST(Writer, NumbersAndWidths) {
  const std::string text = test::output_of(1, [] {
    Writer writer(1);
    writer.number(0).text("|").right(42, 5).text("|").left("ab", 4).text("|").fixed(-1.255, 2, 7).text("|");
    writer.fixed(0.999, 1, 0).text("|").percent(0.5, 6).text("|").number(SIZE_MAX);
    for (int i = 0; i < 3000; ++i)
      writer.text("x");  // beyond the buffer
    writer.finish();
  });
  EXPECT_EQ(text.substr(0, text.find('x')), "0|   42|ab  |  -1.25|1.0|  50.0 %|18446744073709551615");
  EXPECT_EQ(text.size(), text.find('x') + 3000);
}

// Each write(2) to such a socket is a message of its own, and so is each write to such a pipe.
struct Packets {
  int fds[2] = {-1, -1};  // to read from, to write to

  explicit Packets(bool pipe) {
    if (pipe) {
      EXPECT_EQ(pipe2(fds, O_DIRECT | O_NONBLOCK), 0);
    } else {
      EXPECT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds), 0);
    }
  }
  ~Packets() {
    close(fds[0]);
    close(fds[1]);
  }
  Packets(const Packets&) = delete;
  Packets& operator=(const Packets&) = delete;

  std::vector<std::string> take() const {
    std::vector<std::string> packets;
    std::string buffer(100000, '\0');
    for (ssize_t got = 0; (got = read(fds[0], buffer.data(), buffer.size())) > 0;)
      packets.emplace_back(buffer, 0, static_cast<size_t>(got));
    return packets;
  }
};

// Lines of many lengths, 20 KB in all.
std::string report() {
  std::string text;
  for (size_t line = 0; text.size() < 20000; ++line)
    text += std::string(line * 37 % 150, 'a') + "\n";
  return text;
}

std::string joined(const std::vector<std::string>& packets) {
  std::string text;
  for (const std::string& packet : packets)
    text += packet;
  return text;
}

void expect_whole_lines(const std::vector<std::string>& packets) {
  for (const std::string& packet : packets) {
    EXPECT_EQ(packet.back(), '\n');
    EXPECT_LE(packet.size(), 4096u);
  }
}

TEST(Writer, AReportIsOneWrite) {
  const Packets socket(false);
  Writer writer(socket.fds[1]);
  writer.text(report().c_str());
  EXPECT_EQ(writer.finish(), 0);
  const std::vector<std::string> packets = socket.take();
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(packets[0], report());
}

TEST(Writer, APipeGetsNoMoreThanItTakesWhole) {
  const Packets pipe(true);
  Writer writer(pipe.fds[1]);
  writer.text(report().c_str());
  EXPECT_EQ(writer.finish(), 0);
  const std::vector<std::string> packets = pipe.take();
  EXPECT_GE(packets.size(), 5u);
  expect_whole_lines(packets);
  EXPECT_EQ(joined(packets), report());
}

TEST(Writer, ALineThatAPipeDoesNotTakeWholeIsOneWrite) {
  const Packets socket(false);  // whose messages have no such limit, and show what a pipe would get
  const std::string line = std::string(30000, 'j') + "\n";
  Writer writer(socket.fds[1]);
  writer.text(line.c_str());
  EXPECT_EQ(writer.finish(), 0);
  EXPECT_EQ(socket.take(), std::vector<std::string>{line});
  const Packets pipe(true);
  Writer to_pipe(pipe.fds[1]);
  to_pipe.text(line.c_str()).text("end\n");
  EXPECT_EQ(to_pipe.finish(), 0);
  EXPECT_EQ(joined(pipe.take()), line + "end\n");
}

TEST(Writer, WithoutMemoryItWritesWholeLines) {
#ifdef ASHLAR_TEST_SANITIZED
  GTEST_SKIP() << "the sanitizer's own run-time library needs memory";
#endif
  const int ended = test::run_in_child([] {
    const Packets socket(false);
    const rlimit nothing{1, 1};
    const std::string text = report();
    std::vector<std::string> packets;
    packets.reserve(1000);
    ASSERT_EQ(setrlimit(RLIMIT_AS, &nothing), 0);
    {
      Writer writer(socket.fds[1]);
      writer.text(text.c_str());
      ASSERT_EQ(writer.finish(), 0);
    }
    size_t at = 0;
    char buffer[4096];
    for (ssize_t got = 0; (got = read(socket.fds[0], buffer, sizeof buffer)) > 0;) {
      const std::string_view packet(buffer, static_cast<size_t>(got));
      ASSERT_EQ(packet.back(), '\n');
      ASSERT_LE(packet.size(), 1024u);
      ASSERT_EQ(packet, std::string_view(text).substr(at, packet.size()));
      at += packet.size();
    }
    ASSERT_EQ(at, text.size());
  });
  EXPECT_EQ(ended, 0);
}

TEST(Writer, WhatIsLongerThanEveryBufferComesInWholeLines) {
  const Packets pipe(true);
  ASSERT_GE(fcntl(pipe.fds[1], F_SETPIPE_SZ, 1 << 20), 0);
  std::string text;
  while (text.size() < 200000)
    text += report();
  Writer writer(pipe.fds[1]);
  writer.text(text.c_str());
  EXPECT_EQ(writer.finish(), 0);
  const std::vector<std::string> packets = pipe.take();
  expect_whole_lines(packets);
  EXPECT_EQ(joined(packets), text);
}

TEST(ProcessName, IsWhatTheKernelSaysInPrintableCharacters) {
  const int ended = test::run_in_child([] {
    ASSERT_EQ(prctl(PR_SET_NAME, "fifteen letters", 0, 0, 0), 0);
    EXPECT_STREQ(process_name().text, "fifteen letters");
    ASSERT_EQ(prctl(PR_SET_NAME, "a\n\x1b[1m\xc3\xa9\\\"", 0, 0, 0), 0);
    EXPECT_STREQ(process_name().text, "a??[1m??\\\"");
  });
  EXPECT_EQ(ended, 0);
}

}  // namespace
}  // namespace ashlar::stats
