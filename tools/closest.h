// For messages about a word that is not known: which known one may have been meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ashlar_command {

/// The candidate with the fewest letters to change, insert or leave out (Levenshtein's distance); empty when
/// even that one is farther than a third of the word's length, one letter at least.
std::string closest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace ashlar_command
