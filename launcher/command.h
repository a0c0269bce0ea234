// A subcommand, and the table of each program's subcommands.
#pragma once

#include <string>
#include <vector>

namespace muster::launcher {

struct Command {
  std::string name;
  std::string summary;  // one line for the list of commands
  // Arguments after the subcommand's name. Returns an exit code; throws common::Error.
  int (*run)(const std::vector<std::string>& arguments);
};

// Runs the named command and turns exceptions into exit codes and one line on standard error.
int run_program(const std::string& program, const std::vector<Command>& commands,
                const std::vector<std::string>& arguments);

int run_synth(const std::vector<std::string>& arguments);
int run_ingest(const std::vector<std::string>& arguments);
int run_store(const std::vector<std::string>& arguments);
int run_report(const std::vector<std::string>& arguments);
int run_monitor(const std::vector<std::string>& arguments);
int run_doctor(const std::vector<std::string>& arguments);
// In muster-compute, because they need torch.
int run_train(const std::vector<std::string>& arguments);
int run_extract(const std::vector<std::string>& arguments);
int run_annotate(const std::vector<std::string>& arguments);
int run_score(const std::vector<std::string>& arguments);
int run_models(const std::vector<std::string>& arguments);
int run_exchange(const std::vector<std::string>& arguments);

}  // namespace muster::launcher
