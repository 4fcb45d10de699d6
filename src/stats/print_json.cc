// The statistics as JSON: the fields of struct ashlar_stats by their names.
#include "os/sys.h"
#include "stats/print.h"
#include "stats/process_name.h"

namespace ashlar::stats {

namespace {

// Writes `"name":` with the comma that separates it from what stands before.
class Object {
 public:
  Object(Writer& writer, const char* open, const char* close) : writer_(writer), close_(close) {
    writer_.text(open);
  }
  ~Object() { writer_.text(close_); }
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  Writer& next() {
    if (!first_) writer_.text(",");
    first_ = false;
    return writer_;
  }
  void field(const char* name, size_t value) { next().text("\"").text(name).text("\":").number(value); }
  void field(const char* name, double value) { next().text("\"").text(name).text("\":").fixed(value, 6, 0); }
  Writer& key(const char* name) { return next().text("\"").text(name).text("\":"); }

 private:
  Writer& writer_;
  const char* close_;
  bool first_ = true;
};

// Printable ASCII, quoted.
void print_string(Writer& writer, const char* text) {
  writer.text("\"");
  for (; *text != 0; ++text) {
    if (*text == '"' || *text == '\\') writer.text("\\");
    writer.text(text, 1);
  }
  writer.text("\"");
}

void print_class(Writer& writer, const struct ashlar_class_stats& c) {
  Object object(writer, "{", "}");
  object.field("size", c.size);
  object.field("slabs", c.slabs);
  object.field("slots", c.slots);
  object.field("live_slots", c.live_slots);
  object.field("bin_slots", c.bin_slots);
  object.field("free_slots", c.free_slots);
  object.field("slab_bytes", c.slab_bytes);
  object.field("resident", c.resident);
  object.field("sampled_requested", c.sampled_requested);
  object.field("sampled_granted", c.sampled_granted);
  object.key("occupancy");
  Object array(writer, "[", "]");
  for (const size_t slabs : c.occupancy)
    array.next().number(slabs);
}

}  // namespace

void print_json(Writer& writer, const struct ashlar_stats& s) {
  {
    Object object(writer, "{", "}");
    object.key("version").text("\"" ASHLAR_VERSION "\"");
    print_string(object.key("program"), process_name().text);
    object.field("pid", static_cast<size_t>(os::sys::process_id()));
#define ASHLAR_FIELD(name) object.field(#name, s.name);
    ASHLAR_FIELD(resident_live)
    ASHLAR_FIELD(resident_holes)
    ASHLAR_FIELD(resident_bins)
    ASHLAR_FIELD(resident_dirty)
    ASHLAR_FIELD(resident_metadata)
    ASHLAR_FIELD(resident_foreign)
    ASHLAR_FIELD(accounted)
    ASHLAR_FIELD(kernel_rss)
    ASHLAR_FIELD(window_reserved)
    ASHLAR_FIELD(window_opened)
    ASHLAR_FIELD(live_bytes)
    ASHLAR_FIELD(free_bytes)
    ASHLAR_FIELD(cached_bytes)
    ASHLAR_FIELD(direct_bytes)
    ASHLAR_FIELD(direct_blocks)
    ASHLAR_FIELD(large_blocks)
    ASHLAR_FIELD(peak_opened)
    ASHLAR_FIELD(dirty_bytes)
    ASHLAR_FIELD(dirty_budget)
    ASHLAR_FIELD(purged_bytes)
    ASHLAR_FIELD(purged_again)
    ASHLAR_FIELD(hole_purged_bytes)
    ASHLAR_FIELD(purge_calls)
    ASHLAR_FIELD(purge_failures)
    ASHLAR_FIELD(thread_caches)
    ASHLAR_FIELD(lost_in_fork)
    ASHLAR_FIELD(slab_fragmentation)
    ASHLAR_FIELD(external_fragmentation)
#undef ASHLAR_FIELD
    object.key("classes");
    {
      Object array(writer, "[", "]");
      for (uint32_t i = 1; i < s.classes; ++i) {
        if (s.size_class[i].slabs > 0) print_class(array.next(), s.size_class[i]);
      }
    }
    object.key("orders");
    Object array(writer, "[", "]");
    for (uint32_t order = 0; order < s.orders; ++order) {
      Object entry(array.next(), "{", "}");
      entry.field("order", size_t{order});
      entry.field("free_dirty", s.order[order].free_dirty);
      entry.field("free_clean", s.order[order].free_clean);
      entry.field("unusable_free_space", s.order[order].unusable_free_space);
    }
  }
  writer.text("\n");
}

}  // namespace ashlar::stats
