#include "benchmarks/communication/communication_rows.h"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>

#include "benchmarks/print_table.h"
#include "common/error.h"

namespace muster::benchmarks {
namespace {

namespace fs = std::filesystem;

// What a shell command prints on standard output.
std::string output_of(const std::string& command) {
  FILE* const pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) throw common::SystemError("'" + command + "'", "cannot be started");
  std::string text;
  std::array<char, 4096> block{};
  for (size_t got = 0; (got = std::fread(block.data(), 1, block.size(), pipe)) > 0;) {
    text.append(block.data(), got);
  }
  if (::pclose(pipe) != 0) throw common::SystemError("'" + command + "'", "failed");
  return text;
}

}  // namespace

std::vector<TableRow> all_reduce_rows() {
  const fs::path program = fs::read_symlink("/proc/self/exe").parent_path() / "muster-all-reduce";
  const std::string as_root = ::geteuid() == 0 ? "--allow-run-as-root " : "";
  return rows_of_json(
      output_of("mpirun " + as_root + "--bind-to none -n 2 '" + program.string() + "'"));
}

}  // namespace muster::benchmarks
