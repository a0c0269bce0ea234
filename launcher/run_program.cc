#include <google/protobuf/stubs/logging.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <new>

#include "common/error.h"
#include "common/nearest_name.h"
#include "common/version.h"
#include "launcher/command.h"
#include "launcher/exit_codes.h"

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

// What a library threw, in one line.
std::string foreign_failure(const std::exception& failure) {
  const std::string text = failure.what();
  // LibTorch's allocator has an error of its own.
  if (dynamic_cast<const std::bad_alloc*>(&failure) != nullptr ||
      text.find("DefaultCPUAllocator") != std::string::npos) {
    return "not enough memory; lower the settings that make networks or batches large";
  }
  // Some append pages of their own call stack.
  return common::one_line(text.substr(0, text.find('\n')));
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
  } catch (const common::Error& failure) {
    std::cerr << who << ": " << failure.what() << "\n";
  } catch (const std::filesystem::filesystem_error& failure) {
    std::cerr << who << ": " << common::one_line(failure.path1().string()) << ": "
              << failure.code().message() << "\n";
  } catch (const std::exception& failure) {
    std::cerr << who << ": " << foreign_failure(failure) << "\n";
  }
  return kExitFailed;
}

}  // namespace muster::launcher
