// Where muster-compute is, and how muster hands over to it.
#pragma once

#include <string>
#include <vector>

namespace muster::launcher {

// PREFIX/libexec/muster-compute beside PREFIX/bin/muster.
std::string compute_program_path();

// Replaces this process; returns only by throwing SystemError.
int become_compute_program(const std::string& command, const std::vector<std::string>& arguments);

}  // namespace muster::launcher
