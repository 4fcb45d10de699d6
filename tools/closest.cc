// See closest.h.
#include "closest.h"

#include "base/near_word.h"

namespace ashlar_command {

std::string closest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string found;
  std::size_t best = ashlar::most_edits(word.size()) + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t here =
        ashlar::edit_distance(word.data(), word.size(), candidate.data(), candidate.size());
    if (here >= best) continue;
    best = here;
    found = candidate;
  }
  return found;
}

}  // namespace ashlar_command
