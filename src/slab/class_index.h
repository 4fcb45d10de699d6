// Which slabs are worth refilling from: for each class a bit a unit, with two levels of summaries, so
// that the lowest address is found in three steps. The same structure serves the hole candidates.
//
// Level 0 of a slab's bit changes only while the slab is excluded. The summaries may say "something
// here" where nothing is any more, for a moment; they never say "nothing" where something is and no
// set or clear is under way: who clears a summary bit looks again afterwards.
// LOCKS: none. Any thread.
#pragma once

#include "slab/slab.h"

namespace ashlar::slab {

inline constexpr unsigned kHoleIndex = 96;  // the row of hole candidates
inline constexpr UnitIndex kNoUnit = UINT32_MAX;

void set_available(unsigned row, UnitIndex unit);
bool clear_available(unsigned row, UnitIndex unit);  // true if it was set
bool is_available(unsigned row, UnitIndex unit);

// The lowest unit >= from whose bit is set, or kNoUnit.
UnitIndex find_available(unsigned row, UnitIndex from);

}  // namespace ashlar::slab
