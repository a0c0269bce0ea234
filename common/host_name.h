// The machine this process runs on.
#pragma once

#include <string>

namespace muster::common {

// What gethostname says; "unknown" where it says nothing. Any thread.
std::string host_name();

}  // namespace muster::common
