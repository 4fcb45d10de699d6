// ashlar_strdup and ashlar_strndup: libc's allocate from the process's malloc.
#include <string.h>

#include "ashlar/malloc.h"
#include "export.h"

namespace {

char* copy(const char* text, size_t length) {
  char* const block = static_cast<char*>(ashlar_malloc(length + 1));
  if (block == nullptr) return nullptr;
  memcpy(block, text, length);
  block[length] = 0;
  return block;
}

}  // namespace

ASHLAR_EXPORT char* ashlar_strdup(const char* text) { return copy(text, strlen(text)); }
ASHLAR_EXPORT char* ashlar_strndup(const char* text, size_t length) {
  return copy(text, strnlen(text, length));
}
