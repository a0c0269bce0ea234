// Numbers as messages quote them.
#pragma once

#include <string>

namespace muster::common {

// Whole numbers below 10^15 in full ("100000", "-1"), others with as few digits as tell them from
// their neighbours ("0.35", "1e-07"); "nan" and "inf" for what is no number.
std::string number_text(double value);

}  // namespace muster::common
