// The functions of <ashlar/ashlar.h>, and glibc's reports, on top of stats/ and debug/.
#include "ashlar/ashlar.h"

#include <errno.h>

#include "base/options.h"
#include "cache/registry.h"
#include "debug/verify.h"
#include "export.h"
#include "heap/heap.h"
#include "malloc_info.h"
#include "stats/print.h"
#include "stats/snapshot.h"

using namespace ashlar;

ASHLAR_EXPORT int ashlar_stats(struct ashlar_stats* stats) {
  if (stats == nullptr || stats->struct_size != sizeof *stats) return EINVAL;
  heap::initialise();
  cache::SlowPath section;
  stats::read_snapshot(stats);
  return 0;
}

// The struct is 13 KB: on the stack of a thread that may have little, so not twice.
static int print_stats(int fd, void (*print)(stats::Writer&, const struct ashlar_stats&)) {
  struct ashlar_stats snapshot;
  snapshot.struct_size = sizeof snapshot;
  ashlar_stats(&snapshot);
  stats::Writer writer(fd);
  print(writer, snapshot);
  return writer.finish();
}

ASHLAR_EXPORT int ashlar_stats_print(int fd) { return print_stats(fd, stats::print_text); }
ASHLAR_EXPORT int ashlar_stats_print_json(int fd) { return print_stats(fd, stats::print_json); }

ASHLAR_EXPORT int ashlar_options_print(int fd) {
  heap::initialise();
  stats::Writer writer(fd);
  stats::print_options(writer);
  return writer.finish();
}

ASHLAR_EXPORT int ashlar_verify(int fd) {
  heap::initialise();
  return debug::verify_heap(fd);
}

ASHLAR_EXPORT size_t ashlar_purge(void) { return heap::purge(); }
ASHLAR_EXPORT int ashlar_owns(const void* p) { return heap::owns(p) ? 1 : 0; }
ASHLAR_EXPORT const char* ashlar_version(void) { return ASHLAR_VERSION; }

namespace ashlar::preload {

static struct mallinfo2 as_mallinfo(const stats::Totals& totals) {
  struct mallinfo2 info {};
  info.arena = totals.opened;
  info.ordblks = totals.free_blocks;
  info.hblks = totals.direct_blocks;
  info.hblkhd = totals.direct_bytes;
  info.uordblks = totals.live;
  info.fordblks = totals.opened - totals.live;
  info.keepcost = totals.dirty;
  return info;
}

struct mallinfo2 read_mallinfo() {
  return as_mallinfo(stats::read_totals());
}

int write_malloc_info(FILE* stream) {
  const stats::Totals totals = stats::read_totals();
  const struct mallinfo2 info = as_mallinfo(totals);
  const int written = fprintf(
      stream,
      "<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>\n</sizes>\n"
      "<total type=\"fast\" count=\"0\" size=\"%zu\"/>\n<total type=\"rest\" count=\"%zu\" size=\"%zu\"/>\n"
      "<system type=\"current\" size=\"%zu\"/>\n<system type=\"max\" size=\"%zu\"/>\n"
      "<aspace type=\"total\" size=\"%zu\"/>\n<aspace type=\"mprotect\" size=\"%zu\"/>\n</heap>\n"
      "<total type=\"fast\" count=\"0\" size=\"%zu\"/>\n<total type=\"rest\" count=\"%zu\" size=\"%zu\"/>\n"
      "<total type=\"mmap\" count=\"%zu\" size=\"%zu\"/>\n"
      "<system type=\"current\" size=\"%zu\"/>\n<system type=\"max\" size=\"%zu\"/>\n"
      "<aspace type=\"total\" size=\"%zu\"/>\n<aspace type=\"mprotect\" size=\"%zu\"/>\n</malloc>\n",
      totals.cached, info.ordblks, info.fordblks - totals.cached, info.arena, totals.peak, info.arena,
      info.arena, totals.cached, info.ordblks, info.fordblks - totals.cached, info.hblks, info.hblkhd,
      info.arena + info.hblkhd, totals.peak, info.arena + info.hblkhd, info.arena + info.hblkhd);
  return written < 0 ? EIO : 0;
}

void write_malloc_stats() {
  const struct mallinfo2 info = read_mallinfo();
  stats::Writer writer(2);
  writer.text("Ashlar " ASHLAR_VERSION "\n");
  writer.text("system bytes     = ").number(info.arena).text("\n");
  writer.text("in use bytes     = ").number(info.uordblks).text("\n");
  writer.text("mmap regions     = ").number(info.hblks).text("\n");
  writer.text("mmap bytes       = ").number(info.hblkhd).text("\n");
  writer.finish();
}

}  // namespace ashlar::preload
