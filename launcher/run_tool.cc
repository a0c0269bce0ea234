#include "launcher/run_tool.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "common/error.h"

namespace muster::launcher {

ToolOutput run_tool(const std::vector<std::string>& command) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw common::system_call_error(command[0], "pipe", errno);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  std::vector<std::string> owned = command;
  std::vector<char*> values;
  for (std::string& value : owned) values.push_back(value.data());
  values.push_back(nullptr);
  pid_t child = 0;
  const int status = ::posix_spawnp(&child, values[0], &actions, nullptr, values.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  ToolOutput output;
  if (status != 0) {
    ::close(ends[0]);
    output.exit_code = 127;
    return output;
  }
  char block[4096];
  for (;;) {
    const ssize_t count = ::read(ends[0], block, sizeof(block));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    output.text.append(block, static_cast<size_t>(count));
  }
  ::close(ends[0]);
  int state = 0;
  while (::waitpid(child, &state, 0) < 0 && errno == EINTR) {
  }
  output.exit_code = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
  return output;
}

}  // namespace muster::launcher
