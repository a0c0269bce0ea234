#include <hdf5.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/error.h"
#include "launcher/command.h"
#include "launcher/command_line.h"
#include "launcher/compute_program.h"
#include "launcher/run_tool.h"

namespace muster::launcher {
namespace {

using nlohmann::json;

enum class Verdict { kOk, kLimited, kBroken };

struct Finding {
  std::string what, fact;
  Verdict verdict;
  std::string remedy;  // empty when ok
};

Finding check_compute(json& exchange) {
  const std::string compute = compute_program_path();
  const ToolOutput output = run_tool({compute, "exchange"});
  exchange = json::parse(output.text, nullptr, false);
  if (output.exit_code != 0 || exchange.is_discarded()) {
    return {"LibTorch", "muster-compute does not run", Verdict::kBroken, "build muster again"};
  }
  return {"LibTorch", exchange["torch"].get<std::string>(), Verdict::kOk, ""};
}

// Which devices training can choose from.
Finding check_gpus(const json& exchange) {
  const std::string on_cpu = "training uses the CPU";
  if (!exchange.is_object()) return {"GPU", "not known", Verdict::kLimited, on_cpu};
  const int visible = exchange.value("gpus", 0);
  if (!exchange.value("gpu_training", false)) {
    return {"GPU",
            exchange.value("cuda", false) ? "this muster was built without its CUDA sources"
                                          : "this build and its LibTorch are without CUDA",
            Verdict::kLimited, on_cpu};
  }
  if (visible == 0) return {"GPU", "built in, but none is visible", Verdict::kLimited, on_cpu};
  return {"GPU", std::to_string(visible) + " visible", Verdict::kOk, ""};
}

Finding check_mpi() {
  std::vector<std::string> command = {"mpirun", "--oversubscribe", "--bind-to", "none", "-n", "2"};
  if (::geteuid() == 0) command.insert(command.begin() + 1, "--allow-run-as-root");
  command.insert(command.end(), {compute_program_path(), "exchange"});
  const ToolOutput output = run_tool(command);
  const json exchange = json::parse(output.text, nullptr, false);
  if (output.exit_code != 0 || exchange.is_discarded() || exchange["ranks"] != 2) {
    return {"MPI", "mpirun -n 2 failed", Verdict::kBroken,
            "install openmpi-bin; training works on one rank without it"};
  }
  std::ostringstream fact;
  fact << "2 ranks summed 64 MiB at " << std::fixed << std::setprecision(1)
       << exchange["gigabytes_per_second"].get<double>() << " GB/s";
  return {"MPI", fact.str(), Verdict::kOk, ""};
}

Finding check_tool(const std::string& name, const std::vector<std::string>& command,
                   const std::string& missing, const std::string& remedy) {
  const ToolOutput output = run_tool(command);
  if (output.exit_code != 0) return {name, missing, Verdict::kLimited, remedy};
  return {name, output.text.substr(0, output.text.find('\n')), Verdict::kOk, ""};
}

Finding check_hdf5() {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  return {"HDF5",
          std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(release),
          Verdict::kOk, ""};
}

Finding check_disk(const std::string& directory) {
  std::error_code failure;
  const auto space = std::filesystem::space(directory, failure);
  if (failure)
    return {"Disk", directory + ": " + failure.message(), Verdict::kBroken, "choose another"};
  constexpr uintmax_t kWanted = 30'000'000'000;
  const std::string fact =
      std::to_string(space.available / 1'000'000'000) + " GB free in " + directory;
  if (space.available < kWanted) {
    return {"Disk", fact, Verdict::kLimited, "MARS with flow needs about 30 GB"};
  }
  return {"Disk", fact, Verdict::kOk, ""};
}

Finding check_limits() {
  rlimit limit{};
  ::getrlimit(RLIMIT_MEMLOCK, &limit);
  if (limit.rlim_cur == RLIM_INFINITY) return {"Limits", "memlock unlimited", Verdict::kOk, ""};
  return {"Limits", "memlock " + std::to_string(limit.rlim_cur / 1024) + " KiB", Verdict::kLimited,
          "raise it for InfiniBand: ulimit -l unlimited"};
}

std::vector<Finding> examine(const std::string& directory) {
  json exchange;
  std::vector<Finding> findings = {check_compute(exchange), check_mpi(), check_hdf5()};
  findings.push_back(check_gpus(exchange));
#ifdef MUSTER_CUDA
  findings.push_back({"NCCL", "built in", Verdict::kOk, ""});
#else
  findings.push_back({"NCCL", "not built in", Verdict::kLimited, "build with --preset cuda"});
#endif
  findings.push_back(check_tool("Slurm", {"sinfo", "--version"}, "no cluster here",
                                "needed only for sbatch and srun"));
  findings.push_back(check_tool("Prometheus", {"prometheus", "--version"}, "not installed",
                                "install Debian's package prometheus"));
  findings.push_back(check_tool("gnuplot", {"gnuplot", "--version"}, "not installed",
                                "install gnuplot-nox; muster report draws with it"));
  findings.push_back(check_disk(directory));
  findings.push_back(check_limits());
  return findings;
}

const char* word_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "ok";
    case Verdict::kLimited:
      return "limited";
    case Verdict::kBroken:
      break;
  }
  return "broken";
}

}  // namespace

int run_doctor(const std::vector<std::string>& arguments) {
  CommandLine line("muster doctor", "Tells what works on this machine, each lack with its remedy.");
  line.option("workspace", "DIR", "whose disk is looked at", ".").flag("json", "print JSON");
  if (!line.parse(arguments)) return 0;
  const std::vector<Finding> findings = examine(line.text("workspace"));
  bool broken = false;
  json list = json::array();
  for (const Finding& finding : findings) {
    broken = broken || finding.verdict == Verdict::kBroken;
    list.push_back({{"what", finding.what},
                    {"fact", finding.fact},
                    {"verdict", word_of(finding.verdict)},
                    {"remedy", finding.remedy}});
    if (line.has("json")) continue;
    std::cout << "  " << std::left << std::setw(12) << finding.what << std::setw(58) << finding.fact
              << " " << (finding.remedy.empty() ? word_of(finding.verdict) : finding.remedy)
              << "\n";
  }
  if (line.has("json")) std::cout << json{{"works", !broken}, {"findings", list}} << "\n";
  return broken ? 1 : 0;
}

}  // namespace muster::launcher
