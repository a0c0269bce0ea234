// muster-loader-speed: the loader's rows of the speed table alone. Not a test: numbers of a busy
// machine mean nothing.
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "benchmarks/loader/loader_rows.h"

int main(int count, char** values) {
  using muster::benchmarks::TableRow;
  const bool json = count == 2 && std::string(values[1]) == "--json";
  if (count > 1 && !json) {
    std::cerr << "muster-loader-speed [--json]\n";
    return 2;
  }
  try {
    nlohmann::json rows = nlohmann::json::array();
    if (!json) std::printf("| path | limit | measured | limit | ratio | reach |\n");
    for (const TableRow& row :
         muster::benchmarks::loader_rows(std::filesystem::temp_directory_path())) {
      rows.push_back({{"path", row.path},
                      {"limit", row.limit},
                      {"measured", row.measured},
                      {"bound", row.bound},
                      {"ratio", row.ratio},
                      {"target", row.target},
                      {"unit", row.unit},
                      {"note", row.note}});
      if (json) continue;
      std::printf("| %s | %s | %.4g %s | %.4g %s | %.2f | %.2f |\n", row.path.c_str(),
                  row.limit.c_str(), row.measured, row.unit.c_str(), row.bound, row.unit.c_str(),
                  row.ratio, row.target);
    }
    if (json) std::cout << rows.dump(2) << "\n";
    return 0;
  } catch (const std::exception& failure) {
    std::cerr << "muster-loader-speed: " << failure.what() << "\n";
    return 1;
  }
}
