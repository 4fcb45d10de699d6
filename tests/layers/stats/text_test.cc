// What the texts for people say, from figures and options made up here.
#include <memory>

#include "base/options.h"
#include "stats_support.h"

namespace ashlar::stats {
namespace {

// Whatever the kernel counts, the layers are shares of what they add up to.
TEST(Text, TheLedgerIsSharesOfItsSum) {
  const auto stats = std::make_unique<Stats>();
  stats->resident_live = 500 * kMiB;
  stats->resident_dirty = 300 * kMiB;
  stats->resident_foreign = 200 * kMiB;
  stats->accounted = 1000 * kMiB;
  stats->kernel_rss = 990 * kMiB;
  const std::string text = test::output_of(1, [&stats] {
    Writer writer(1);
    print_text(writer, *stats);
    ASSERT_EQ(writer.finish(), 0);
  });
  for (const char* const line :
       {"  live                 500.0 MiB    50.0 %", "  dirty                300.0 MiB    30.0 %",
        "  not ours             200.0 MiB    20.0 %", "  sum                 1000.0 MiB   100.0 %",
        "  RSS by the kernel    990.0 MiB    99.0 %  counted apart"}) {
    EXPECT_NE(text.find(std::string("\n") + line), std::string::npos) << line << " is not in\n" << text;
  }
}

TEST(Text, OptionsAreWrittenAsTheyAreSetWithTheirOrigin) {
  const auto refused = [](const OptionError&, void*) { FAIL(); };
  parse_options("regret_limit:1536k,purge_share:1024", OptionOrigin::kLibrary, refused, nullptr);
  parse_options("hole_purge:off", OptionOrigin::kProgram, refused, nullptr);
  parse_options("cache_bytes:384k", OptionOrigin::kEnvironment, refused, nullptr);
  const std::string text = test::output_of(1, [] {
    Writer writer(1);
    print_options(writer);
    ASSERT_EQ(writer.finish(), 0);
  });
  for (const char* const part :
       {"window:auto  (default)\n", "    default auto, from 4m to 2048g\n", "purge_floor:1m  (default)\n",
        "    default 1m, from 0 to 1024g\n", "regret_limit:1536k  (built into the library)\n",
        "purge_share:1024  (built into the library)\n", "    default 8, from 1 to 1024\n",
        "hole_purge:off  (the program's variable ashlar_conf)\n", "cache_bytes:384k  (ASHLAR_CONF)\n"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " is not in\n" << text;
  }
}

}  // namespace
}  // namespace ashlar::stats
