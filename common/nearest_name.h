// Answers a mistyped name with the one that was probably meant.
#pragma once

#include <string>
#include <vector>

namespace muster::common {

// The candidate with the smallest edit distance to `name`, or "" if none is near enough to be
// meant.
std::string nearest_name(const std::string& name, const std::vector<std::string>& candidates);

// "did you mean 'x'?" or "known: a, b, c".
std::string name_hint(const std::string& name, const std::vector<std::string>& candidates);

}  // namespace muster::common
