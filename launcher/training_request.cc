#include "launcher/training_request.h"

#include <chrono>
#include <optional>

#include "common/error.h"
#include "launcher/experiment_file.h"
#include "launcher/protocol_option.h"
#include "launcher/stop_request.h"

namespace muster::launcher {
namespace {

using common::InputError;

std::chrono::seconds stop_margin(const CommandLine& line) {
  return parsed_duration(line.text("stop-before"), "stop-before");
}

// Of --time-limit, or of Slurm's where --stop-before says that it counts.
std::optional<std::chrono::system_clock::time_point> end_of_time(const CommandLine& line) {
  if (line.has("time-limit")) {
    return std::chrono::system_clock::now() +
           parsed_duration(line.text("time-limit"), "time-limit");
  }
  if (stop_margin(line).count() == 0) return std::nullopt;
  const auto end = end_of_slurm_job();
  if (!end) {
    throw InputError("--stop-before", "there is no Slurm job with a time limit",
                     "say how long this may take: --time-limit 2h");
  }
  return end;
}

// As proto::Device has it.
std::string device_name(const std::string& option) {
  if (option == "auto") return "AUTO";
  if (option == "cpu") return "CPU";
  if (option == "cuda") return "CUDA";
  throw InputError("--device", "'" + option + "' is not auto, cpu or cuda");
}

}  // namespace

trainer::TrainingRequest training_request(const CommandLine& line) {
  trainer::TrainingRequest request;
  std::vector<std::string> settings = line.texts("set");
  if (line.has("device")) settings.push_back("training.device=" + device_name(line.text("device")));
  request.experiment = read_experiment(line.text("spec"), settings);
  const auto stores = named_directories(line.texts("store"), "--store");
  const proto::Data& data = request.experiment.data();
  if (data.train_size() != 1) {
    std::string names;
    for (const std::string& name : data.train()) names += (names.empty() ? "" : ", ") + name;
    throw InputError("data.train",
                     data.train_size() == 0 ? "is empty" : "names several stores: " + names,
                     "choose one: --set data.train=NAME");
  }
  request.train_store = data.train(0);
  const auto found = stores.find(request.train_store);
  if (found == stores.end()) {
    throw InputError("store '" + request.train_store + "'", "is not given",
                     "add --store " + request.train_store + "=DIR");
  }
  request.store_directory = found->second;
  request.run_directory = line.path("run");
  if (!data.protocol().empty()) require_known_protocol("data.protocol", data.protocol());
  if (line.has("resume") && line.has("start-over")) {
    throw InputError("--resume", "contradicts --start-over");
  }
  if (line.has("resume")) request.unfinished = trainer::UnfinishedRun::kDemand;
  if (line.has("start-over")) request.unfinished = trainer::UnfinishedRun::kSetAside;
  request.stop_wanted = stop_wanted(end_of_time(line), stop_margin(line));
  const int64_t limit = request.experiment.training().watchdog_seconds();
  if (limit < 0) {
    throw InputError("training.watchdog_seconds", "is " + std::to_string(limit),
                     "choose 0, for no watchdog, or more");
  }
  return request;
}

}  // namespace muster::launcher
