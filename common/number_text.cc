#include "common/number_text.h"

#include <charconv>
#include <cmath>

namespace muster::common {

std::string number_text(double value) {
  constexpr double kLargestInFull = 1e15;
  char digits[32];
  const bool in_full = std::fabs(value) < kLargestInFull && value == std::trunc(value);
  const auto end =
      in_full ? std::to_chars(digits, digits + sizeof(digits), static_cast<long long>(value)).ptr
              : std::to_chars(digits, digits + sizeof(digits), value).ptr;
  return {digits, end};
}

}  // namespace muster::common
