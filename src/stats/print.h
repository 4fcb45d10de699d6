// The statistics and the options as text and JSON.
#pragma once

#include "ashlar/ashlar.h"
#include "stats/writer.h"

namespace ashlar::stats {

void print_text(Writer& writer, const struct ashlar_stats& stats);
void print_json(Writer& writer, const struct ashlar_stats& stats);

// Every option with its value, origin, default, range and text; one block each.
void print_options(Writer& writer);

}  // namespace ashlar::stats
