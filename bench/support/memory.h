// Memory of this process as the kernel counts it, read without allocating, and the warming of a
// virtual machine's memory. Shared by the micro-benchmarks, the small programs and `race`; knows no
// allocator. Every function may be called from any thread.
#pragma once

#include <cstddef>

namespace ashlar::bench {

// The number that follows `field` (with its colon, as "VmHWM:") in `file`, in KiB; 0 when the file
// or the field is not there.
size_t read_kib_field(const char* file, const char* field);

// Resident memory, exact: from smaps_rollup, which walks the page tables.
size_t resident_kib();

// Private anonymous memory: heap, stacks, written data segments.
size_t anonymous_kib();

// Highest resident memory since the process started or the last reset_peak().
size_t peak_kib();

// Makes peak_kib() start again from what is resident now. False when the kernel refuses.
bool reset_peak();

// Touches every page of `mib` MiB and gives them back: the first touch of memory that a virtual
// machine has never used is up to ten times slower, and would be charged to whoever runs first.
void warm_memory(size_t mib);

}  // namespace ashlar::bench
