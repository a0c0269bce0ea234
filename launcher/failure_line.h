// What went wrong, in one line.
#pragma once

#include <exception>
#include <string>

namespace muster::launcher {

// As muster's own errors say it; what a library threw is cut to its first line, and a file system's
// failure names the file.
std::string failure_line(const std::exception& failure);

}  // namespace muster::launcher
