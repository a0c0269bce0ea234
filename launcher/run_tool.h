// Runs a short command without a shell and collects what it prints.
#pragma once

#include <string>
#include <vector>

namespace muster::launcher {

struct ToolOutput {
  int exit_code = -1;  // 127: not found; 128 + n: ended by signal n
  std::string text;    // standard output
};

// Standard error of the command is thrown away. Throws SystemError if no process can be made.
ToolOutput run_tool(const std::vector<std::string>& command);

}  // namespace muster::launcher
