// The statistics as a text for people: the ledger first, then what explains it.
#include "base/option_text.h"
#include "base/options.h"
#include "os/sys.h"
#include "stats/print.h"
#include "stats/process_name.h"

namespace ashlar::stats {

namespace {

double ratio(size_t part, size_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

void ledger_line(Writer& writer, const char* name, size_t bytes, size_t whole, const char* meaning) {
  writer.text("  ").left(name, 18).bytes(bytes, 12).text("  ").percent(ratio(bytes, whole), 6);
  writer.text("  ").text(meaning).text("\n");
}

// Shares of the sum: the kernel's own figure is read at another moment, and of some pages learns late.
void print_ledger(Writer& writer, const struct ashlar_stats& s) {
  writer.text("Resident memory, layer by layer\n");
  ledger_line(writer, "live", s.resident_live, s.accounted, "blocks in the program's hands");
  ledger_line(writer, "slab holes", s.resident_holes, s.accounted,
              "free slots on pages that live slots share");
  ledger_line(writer, "thread caches", s.resident_bins, s.accounted, "free slots waiting in bins");
  ledger_line(writer, "dirty", s.resident_dirty, s.accounted, "free pages kept for reuse");
  ledger_line(writer, "metadata", s.resident_metadata, s.accounted, "Ashlar's own tables");
  ledger_line(writer, "not ours", s.resident_foreign, s.accounted, "program text, stacks, other mappings");
  ledger_line(writer, "sum", s.accounted, s.accounted, "");
  ledger_line(writer, "RSS by the kernel", s.kernel_rss, s.accounted, "counted apart, at another moment");
}

void print_totals(Writer& writer, const struct ashlar_stats& s) {
  writer.text("\nAddress space\n  window    ")
      .bytes(s.window_opened, 12)
      .text(" opened of ")
      .bytes(s.window_reserved, 0);
  writer.text(" reserved\n  live      ")
      .bytes(s.live_bytes, 12)
      .text("\n  cached    ")
      .bytes(s.cached_bytes, 12);
  writer.text("\n  free      ")
      .bytes(s.free_bytes, 12)
      .text("\n  direct    ")
      .bytes(s.direct_bytes, 12)
      .text(" in ");
  writer.number(s.direct_blocks).text(" mappings\n  large blocks ").right(s.large_blocks, 5);
  writer.text("   thread caches ")
      .number(s.thread_caches)
      .text("   slots lost in forks ")
      .number(s.lost_in_fork);
  writer.text("\n\nReturned to the system\n  dirty     ").bytes(s.dirty_bytes, 12).text(" of a budget of ");
  writer.bytes(s.dirty_budget, 0)
      .text("\n  purged    ")
      .bytes(s.purged_bytes, 12)
      .text(" in ")
      .number(s.purge_calls);
  writer.text(" calls, ").bytes(s.hole_purged_bytes, 0).text(" of it holes in live slabs\n  regretted ");
  writer.bytes(s.purged_again, 12)
      .text(" used again within 100 ms; ")
      .number(s.purge_failures)
      .text(" calls refused\n");
  writer.text("\nFragmentation\n  slab      ")
      .percent(s.slab_fragmentation, 10)
      .text("  of resident slab bytes are not live");
  writer.text("\n  external  ")
      .percent(s.external_fragmentation, 10)
      .text("  of free pages are outside the largest free block");
  writer.text("\n  RSS / live").fixed(ratio(s.kernel_rss, s.live_bytes + s.direct_bytes), 2, 10).text("\n");
}

void print_classes(Writer& writer, const struct ashlar_stats& s) {
  writer.text(
      "\nSize classes in use\n    size  slabs      slots       live   bins       free     resident  live %  "
      "waste %"
      "  slabs by live share, 0-10 % ... 90-100 %, full\n");
  for (uint32_t i = 1; i < s.classes; ++i) {
    const struct ashlar_class_stats& c = s.size_class[i];
    if (c.slabs == 0) continue;
    writer.right(c.size, 8)
        .right(c.slabs, 7)
        .right(c.slots, 11)
        .right(c.live_slots, 11)
        .right(c.bin_slots, 7);
    writer.right(c.free_slots, 11).bytes(c.resident, 13).fixed(ratio(c.live_slots, c.slots) * 100, 1, 8);
    if (c.sampled_granted == 0) {
      writer.text("        - ");  // no refill of it was sampled
    } else {
      writer.fixed((1 - ratio(c.sampled_requested, c.sampled_granted)) * 100, 1, 9).text(" ");
    }
    for (const size_t slabs : c.occupancy)
      writer.text(" ").number(slabs);
    writer.text("\n");
  }
}

void print_orders(Writer& writer, const struct ashlar_stats& s) {
  writer.text("\nFree blocks by order\n  order        size      dirty      clean  unusable for this order\n");
  for (uint32_t order = 0; order < s.orders; ++order) {
    const struct ashlar_order_stats& o = s.order[order];
    if (o.free_dirty + o.free_clean == 0 && order > 8) continue;
    writer.right(order, 7).bytes(size_t{4096} << order, 12).right(o.free_dirty, 11).right(o.free_clean, 11);
    writer.text("  ").percent(o.unusable_free_space, 6).text("\n");
  }
}

void print_value(Writer& writer, const OptionInfo& option, size_t value) {
  if (option.kind != OptionKind::kChoice) {
    writer.text(number_text(option.kind, value).text);
    return;
  }
  size_t length = 0;
  const char* const name = choice_name(option, value, &length);
  writer.text(name, length);
}

}  // namespace

void print_text(Writer& writer, const struct ashlar_stats& stats) {
  const ProcessName name = process_name();
  writer.text("Ashlar " ASHLAR_VERSION " statistics of ").text(name.text).text(name.text[0] != 0 ? ", " : "");
  writer.text("process ").number(static_cast<size_t>(os::sys::process_id())).text("\n\n");
  print_ledger(writer, stats);
  print_totals(writer, stats);
  print_classes(writer, stats);
  print_orders(writer, stats);
}

void print_options(Writer& writer) {
  static constexpr const char* kOrigins[] = {"default", "built into the library",
                                             "the program's variable ashlar_conf", "ASHLAR_CONF"};
  for (unsigned index = 0; index < kOptionCount; ++index) {
    const OptionInfo& option = kOptionInfos[index];
    writer.text(option.key).text(":");
    print_value(writer, option, option_value(index));
    writer.text("  (").text(kOrigins[static_cast<int>(g_option_origins[index])]).text(")\n    ");
    writer.text(option.text).text("\n    default ");
    print_value(writer, option, option.default_value);
    if (option.choices != nullptr) {
      writer.text(", one of ").text(option.choices).text("\n");
    } else {
      writer.text(", from ");
      print_value(writer, option, option.minimum);
      writer.text(" to ");
      print_value(writer, option, option.maximum);
      writer.text("\n");
    }
  }
}

}  // namespace ashlar::stats
