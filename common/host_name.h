// The machine this process runs on.
#pragma once

#include <string>

namespace muster::common {

// What gethostname says; "unknown" where it says nothing. Any thread.
std::string host_name();

// Names the place where a process number means this process and no other: the host's name and eight
// hexadecimal digits of its boot and of the process namespace, since containers share names.
const std::string& process_place();

}  // namespace muster::common
