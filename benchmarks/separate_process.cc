#include "benchmarks/separate_process.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <sstream>

#include "benchmarks/print_table.h"
#include "common/error.h"

namespace muster::benchmarks {
namespace {

void write_all(int descriptor, const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t count = ::write(descriptor, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw common::system_call_error("the table", "write", errno);
    done += static_cast<size_t>(count);
  }
}

std::string read_all(int descriptor) {
  std::string text;
  for (char block[4096];;) {
    const ssize_t count = ::read(descriptor, block, sizeof(block));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw common::system_call_error("the table", "read", errno);
    if (count == 0) return text;
    text.append(block, static_cast<size_t>(count));
  }
}

int run_and_write(const std::function<std::vector<TableRow>()>& work, int descriptor) {
  try {
    std::ostringstream text;
    print_json(work(), text);
    write_all(descriptor, text.str());
    return 0;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "muster-speed: %s\n", failure.what());
    return 1;
  }
}

}  // namespace

std::vector<TableRow> rows_of_separate_process(const std::function<std::vector<TableRow>()>& work) {
  int ends[2];
  if (::pipe(ends) != 0) throw common::system_call_error("the table", "pipe", errno);
  const pid_t child = ::fork();
  if (child < 0) throw common::system_call_error("the table", "fork", errno);
  if (child == 0) {
    ::close(ends[0]);
    ::_exit(run_and_write(work, ends[1]));
  }
  ::close(ends[1]);
  const std::string text = read_all(ends[0]);
  ::close(ends[0]);
  int status = 0;
  if (::waitpid(child, &status, 0) != child || status != 0) {
    throw common::SystemError("the table", "one of its parts failed");
  }
  return rows_of_json(text);
}

}  // namespace muster::benchmarks
