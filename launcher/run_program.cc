#include <google/protobuf/stubs/logging.h>

#include <csignal>
#include <cstdlib>
#include <iostream>

#include "common/error.h"
#include "common/nearest_name.h"
#include "common/version.h"
#include "launcher/command.h"
#include "launcher/exit_codes.h"
#include "launcher/failure_line.h"

namespace muster::launcher {
namespace {

void print_commands(const std::string& program, const std::vector<Command>& commands) {
  std::cout << program << " " << common::version() << " (" << common::commit() << ")\n\n"
            << "usage: " << program << " COMMAND [OPTIONS]      " << program
            << " COMMAND --help\n\n";
  for (const Command& command : commands) {
    std::cout << "  " << command.name
              << std::string(12 - std::min<size_t>(11, command.name.size()), ' ') << command.summary
              << "\n";
  }
}

int run_command(const std::string& program, const std::vector<Command>& commands,
                const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "help") {
    print_commands(program, commands);
    return arguments.empty() ? kExitBadInput : kExitDone;
  }
  if (arguments[0] == "--version") {
    std::cout << program << " " << common::version() << " (" << common::commit() << ")\n";
    return kExitDone;
  }
  std::vector<std::string> names;
  for (const Command& command : commands) {
    if (command.name == arguments[0]) return command.run({arguments.begin() + 1, arguments.end()});
    names.push_back(command.name);
  }
  throw common::InputError("command '" + arguments[0] + "'", "is not known",
                           common::name_hint(arguments[0], names));
}

}  // namespace

int run_program(const std::string& program, const std::vector<Command>& commands,
                const std::vector<std::string>& arguments) {
  std::signal(SIGPIPE, SIG_IGN);
  google::protobuf::SetLogHandler(nullptr);  // its complaints reach users as ours
  const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
  const std::string who = rank != nullptr ? program + " (rank " + rank + ")" : program;
  try {
    const int code = run_command(program, commands, arguments);
    std::cout.flush();
    if (!std::cout) throw common::SystemError("standard output", "cannot be written");
    return code;
  } catch (const common::InputError& failure) {
    std::cerr << who << ": " << failure.what() << "\n";
    return kExitBadInput;
  } catch (const std::exception& failure) {
    std::cerr << who << ": " << failure_line(failure) << "\n";
  }
  return kExitFailed;
}

}  // namespace muster::launcher
