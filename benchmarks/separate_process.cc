#include "benchmarks/separate_process.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <sstream>

#include "benchmarks/print_table.h"
#include "benchmarks/store/scratch.h"
#include "common/atomic_file.h"
#include "common/error.h"

namespace muster::benchmarks {
namespace fs = std::filesystem;

namespace {

int run_and_write(const std::function<std::vector<TableRow>()>& work, const fs::path& file) {
  try {
    std::ostringstream text;
    print_json(work(), text);
    common::write_file_atomically(file, text.str());
    return 0;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "muster-speed: %s\n", failure.what());
    return 1;
  }
}

}  // namespace

std::vector<TableRow> rows_of_separate_process(const std::function<std::vector<TableRow>()>& work) {
  const ScratchDirectory scratch(fs::temp_directory_path());
  const fs::path file = scratch.path() / "rows.json";
  const pid_t child = ::fork();
  if (child < 0) throw common::system_call_error("the table", "fork", errno);
  if (child == 0) ::_exit(run_and_write(work, file));
  int status = 0;
  if (::waitpid(child, &status, 0) != child || status != 0) {
    throw common::SystemError("the table", "one of its parts failed");
  }
  return rows_of_json(common::read_file(file));
}

}  // namespace muster::benchmarks
