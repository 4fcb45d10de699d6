// What the soak writes into its blocks, so that a block that was moved, shared, cut or purged by mistake is
// found out. Every 8 bytes at an offset that is a multiple of 8 have a value of their own, made of the
// block's seed and the offset; the address is not in it, so that what realloc moved can be checked.
//
// Blocks up to kWholeBytes are written in full, larger ones at their first and last bytes and at the start of
// every 4 KiB: with that every page of a block is resident, as if a program had used it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ashlar::soak {

constexpr size_t kWholeBytes = 4096;

// The first byte that is not as written: where, what should be there, what is there.
struct Mismatch {
  size_t offset;
  unsigned expected;
  unsigned found;
};

// Writes the contents of a block of `bytes` bytes.
void write_contents(char* block, size_t bytes, uint32_t seed);

// Before a block shrinks to `bytes`: writes its new last bytes, which a large block has not had written.
void write_end(char* block, size_t bytes, uint32_t seed);

// True if a block that was written with `written` bytes still has them, up to `kept` bytes (both the same but
// after a realloc). Otherwise *mismatch says what is wrong.
bool has_contents(const char* block, size_t written, size_t kept, uint32_t seed, Mismatch* mismatch);

// True if all bytes, one at least, are 0.
bool is_zero(const char* block, size_t bytes, Mismatch* mismatch);

}  // namespace ashlar::soak
