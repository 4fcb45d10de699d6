// /proc/PID/maps as text.
#include "maps.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace ashlar_command {
namespace {

constexpr std::string_view kMaps =
    "55d0-55d1 r-xp 00000000 08:01 12 /usr/bin/my prog\n"
    "55d1-55d2 rw-p 00000000 00:00 0 [heap]\n"
    "7f00-7f01 r-xp 00000000 08:01 13 /usr/lib/libjemalloc.so.2\n"
    "7f01-7f02 r--p 00000000 08:01 13 /usr/lib/libjemalloc.so.2\n"
    "7f02-7f03 rw-p 00000000 00:00 0 \n"
    "7f03-7f04 r-xp 00000000 08:01 14 /opt/libashlar.so.1.0.0";

TEST(Maps, EachFileOnceInOrder) {
  const std::vector<std::string> expected = {"/usr/bin/my prog", "/usr/lib/libjemalloc.so.2",
                                             "/opt/libashlar.so.1.0.0"};
  EXPECT_EQ(mapped_files(kMaps), expected);
  EXPECT_TRUE(mapped_files("").empty());
}

TEST(Maps, NamesByTheirBeginning) {
  const auto files = mapped_files(kMaps);
  EXPECT_TRUE(maps_file(files, "libashlar"));
  EXPECT_FALSE(maps_file(files, "libc.so"));
}

TEST(Maps, OtherAllocators) {
  EXPECT_EQ(other_allocators(mapped_files(kMaps)), std::vector<std::string>{"/usr/lib/libjemalloc.so.2"});
}

TEST(Maps, OfARunningProcessAndOfNone) {
  EXPECT_TRUE(maps_file(mapped_files(read_maps(getpid())), "libc.so"));
  EXPECT_EQ(read_maps(-1), "");
}

}  // namespace
}  // namespace ashlar_command
