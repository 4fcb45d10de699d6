// The units that every room counts in, and their conversions. No system calls, no globals.
//
//   page    4 KiB, the grain of the page layer (kernel pages may be larger: os/system.h)
//   unit    16 KiB, the alignment and smallest size of a slab
//   chunk   1 MiB, the reach of one metadata record
//   group   64 chunks, super 64 groups: the reach of one summary word each
#pragma once

#include <cstddef>
#include <cstdint>

namespace ashlar {

inline constexpr unsigned kPageShift = 12;
inline constexpr size_t kPageSize = size_t{1} << kPageShift;
inline constexpr unsigned kUnitShift = 14;
inline constexpr size_t kUnitSize = size_t{1} << kUnitShift;
inline constexpr unsigned kChunkShift = 20;
inline constexpr size_t kChunkSize = size_t{1} << kChunkShift;

inline constexpr unsigned kPagesPerUnit = 1u << (kUnitShift - kPageShift);
inline constexpr unsigned kPagesPerChunk = 1u << (kChunkShift - kPageShift);
inline constexpr unsigned kUnitsPerChunk = 1u << (kChunkShift - kUnitShift);
inline constexpr unsigned kChunksPerGroup = 64;
inline constexpr unsigned kGroupsPerSuper = 64;

inline constexpr size_t kMiB = size_t{1} << 20;
inline constexpr size_t kKiB = size_t{1} << 10;

// Index of a page, unit or chunk, counted from the window's base.
using PageIndex = uint32_t;
using UnitIndex = uint32_t;
using ChunkIndex = uint32_t;
using PageCount = uint32_t;

inline constexpr PageIndex kNoPage = UINT32_MAX;

constexpr size_t pages_to_bytes(size_t pages) { return pages << kPageShift; }
constexpr size_t bytes_to_pages_up(size_t bytes) { return (bytes + kPageSize - 1) >> kPageShift; }
constexpr ChunkIndex chunk_of_page(PageIndex page) { return page / kPagesPerChunk; }
constexpr UnitIndex unit_of_page(PageIndex page) { return page / kPagesPerUnit; }
constexpr PageIndex first_page_of_unit(UnitIndex unit) { return unit * kPagesPerUnit; }

}  // namespace ashlar
