// What the main functions of benchmarks do alike: failures become a line and an exit code.
#pragma once

#include <string>
#include <vector>

namespace muster::benchmarks {

// What `run` returns of the arguments behind the program's name; 2 after an InputError, 1 after any
// other exception, each told on standard error behind `program`.
int guarded_main(const char* program, int count, char** values,
                 int (*run)(const std::vector<std::string>& arguments));

}  // namespace muster::benchmarks
