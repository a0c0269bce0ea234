#include "benchmarks/guarded_main.h"

#include <exception>
#include <iostream>

#include "common/error.h"

namespace muster::benchmarks {

int guarded_main(const char* program, int count, char** values,
                 int (*run)(const std::vector<std::string>& arguments)) {
  try {
    return run(std::vector<std::string>(values + 1, values + count));
  } catch (const common::InputError& failure) {
    std::cerr << program << ": " << failure.what() << "\n";
    return 2;
  } catch (const std::exception& failure) {
    std::cerr << program << ": " << failure.what() << "\n";
    return 1;
  }
}

}  // namespace muster::benchmarks
