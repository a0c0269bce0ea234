// What this program is.
#pragma once

#include <string>

namespace muster::common {

std::string version();
// Git commit of the source, "-dirty" appended when it had uncommitted changes; "unknown" outside
// git.
std::string commit();

}  // namespace muster::common
