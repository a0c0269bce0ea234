#include <ATen/Parallel.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/host_name.h"
#include "common/version.h"
#include "launcher/command.h"
#include "launcher/command_line.h"
#include "launcher/exit_codes.h"
#include "launcher/experiment_file.h"
#include "launcher/json_line.h"
#include "launcher/protocol_option.h"
#include "launcher/stop_request.h"
#include "launcher/terminal.h"
#include "models/model_catalog.h"
#include "monitoring/fan_out_progress.h"
#include "monitoring/log_file_sink.h"
#include "monitoring/prometheus_sink.h"
#include "monitoring/target_file.h"
#include "trainer/compute_device.h"
#include "trainer/gpu_backend.h"
#include "trainer/heartbeat_channel.h"
#include "trainer/training_loop.h"
#include "trainer/watchdog.h"
#include "trainer/watched_communicator.h"

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

// The one training that the settings and stores describe.
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

monitoring::RunIdentity run_identity(const trainer::TrainingRequest& request,
                                     const trainer::Communicator& communicator) {
  monitoring::RunIdentity identity;
  identity.run = std::filesystem::absolute(request.run_directory).lexically_normal().filename();
  identity.model = models::model_entry(request.experiment.model()).name;
  identity.train_store = request.train_store;
  identity.rank = communicator.rank();
  identity.world_size = communicator.size();
  if (const char* job = std::getenv("SLURM_JOB_ID")) identity.job = job;
  identity.node = common::host_name();
  identity.commit = common::commit();
  identity.version = common::version();
  return identity;
}

// Metrics of one rank: an exporter, and while this object lives a target file that leads to it.
struct Metrics {
  monitoring::PrometheusSink sink;
  std::optional<monitoring::TargetFile> target;
  Metrics(const monitoring::RunIdentity& identity, const std::string& workspace) : sink(identity) {
    const auto directory = std::filesystem::path(workspace) / "monitoring" / "targets";
    common::make_directories(directory);
    target.emplace(directory, identity, "127.0.0.1:" + std::to_string(sink.port()));
  }
};

std::string log_name(int rank) { return "rank-" + std::to_string(rank) + ".log"; }

// The watchdog's lines say after which step a rank was seen.
class NotedSteps : public common::SilentProgress {
 public:
  explicit NotedSteps(trainer::OperationBoard& board) : board_(board) {}
  void step(const common::StepReport& report) override { board_.finish_step(report.step); }

 private:
  trainer::OperationBoard& board_;
};

trainer::TrainingEnd train_on_this_rank(const trainer::TrainingRequest& request,
                                        const CommandLine& line,
                                        trainer::Communicator& communicator,
                                        trainer::OperationBoard& board) {
  NotedSteps noted_steps(board);
  monitoring::LogFileSink log(request.run_directory / "logs" / log_name(communicator.rank()));
  log.note("rank " + std::to_string(communicator.rank()) + " of " +
           std::to_string(communicator.size()) + " on " + common::host_name() + ", process " +
           std::to_string(::getpid()) + ", muster " + common::version() + " " + common::commit());
  std::vector<common::ProgressSink*> sinks = {&noted_steps, &log};
  std::unique_ptr<common::ProgressSink> terminal;
  if (communicator.rank() == 0) {
    terminal = terminal_progress();
    sinks.push_back(terminal.get());
  }
  std::optional<Metrics> metrics;
  if (line.has("workspace")) {
    metrics.emplace(run_identity(request, communicator), line.text("workspace"));
    metrics->sink.enter(monitoring::RunState::kTraining);
    sinks.push_back(&metrics->sink);
  }
  monitoring::FanOutProgress progress(sinks);
  const trainer::TrainingEnd end = trainer::train(request, communicator, progress);
  const bool stopped = end == trainer::TrainingEnd::kStopped;
  if (stopped) log.note("stopped on request");
  if (metrics) {
    metrics->sink.enter(stopped ? monitoring::RunState::kStopping : monitoring::RunState::kDone);
  }
  return end;
}

void tell_stop(const trainer::TrainingRequest& request, bool as_json) {
  const std::string signal = asking_signal();
  std::cerr << "muster: " << request.run_directory.string() << ": stopped on request"
            << (signal.empty() ? "" : " (" + signal + ")")
            << " with a checkpoint; the same command goes on" << std::endl;
  if (!as_json) return;
  std::cout << json_line(
      nlohmann::json{{"run", request.run_directory.string()}, {"stopped", true}});
}

void print_as_json(const std::string& directory) {
  const trainer::FinishedRun run = trainer::read_finished_run(directory);
  std::cout << json_line(nlohmann::json{{"run", directory},
                                        {"steps", run.step},
                                        {"loss", run.loss},
                                        {"losses", run.losses},
                                        {"ranks", run.facts.ranks}});
}

// A fault of one rank ends the job: the others may be waiting for it. Faults of settings and data
// are the same on every rank, so only rank 0 tells them.
int train_together(trainer::TrainingRequest request, const CommandLine& line) {
  auto ranks = trainer::started_by_mpi_launcher() ? trainer::create_mpi_communicator()
                                                  : trainer::create_single_communicator();
  trainer::OperationBoard board;
  std::optional<trainer::Watchdog> watchdog;
  trainer::WatchdogOptions options;
  options.limit_seconds = request.experiment.training().watchdog_seconds();
  if (ranks->size() > 1 && options.limit_seconds > 0) {
    watchdog.emplace(*ranks, trainer::create_mpi_heartbeat_channel(), board, options);
  }
  try {
    request.device =
        trainer::agreed_device(request.experiment.training().device(), trainer::gpu_facts(),
                               trainer::local_rank_from_environment(), *ranks);
    if (request.device.is_cuda()) {
      ranks = trainer::with_gpu_communicator(std::move(ranks), request.device);
    }
    const auto communicator = trainer::create_watched_communicator(*ranks, board);
    if (train_on_this_rank(request, line, *communicator, board) == trainer::TrainingEnd::kStopped) {
      if (communicator->rank() == 0) tell_stop(request, line.has("json"));
      return kExitStoppedOnRequest;
    }
    if (line.has("json") && communicator->rank() == 0) print_as_json(request.run_directory);
    return kExitDone;
  } catch (const std::exception& failure) {
    if (!ranks || ranks->size() == 1) throw;
    const bool input = dynamic_cast<const InputError*>(&failure) != nullptr;
    if (!input || ranks->rank() == 0) {
      std::cerr << "muster: rank " << ranks->rank() << ": " << failure.what() << std::endl;
    } else {
      ::sleep(2);  // rank 0 has the same fault and speaks first
    }
    if (watchdog) watchdog->announce_failure();
    ranks->abort(input ? kExitBadInput : kExitFailed);
    throw;  // not reached
  }
}

}  // namespace

int run_train(const std::vector<std::string>& arguments) {
  CommandLine line("muster train --spec FILE --store NAME=DIR --run DIR",
                   "Trains one network. Start it under mpirun or srun --mpi=pmix to share every "
                   "batch between ranks; the number of ranks does not change what is trained.");
  line.option("spec", "FILE", "the experiment, protobuf text format")
      .repeated("set", "PATH=VALUE", "change one setting, e.g. training.steps=100")
      .repeated("store", "NAME=DIR", "where a store of the experiment is")
      .option("run", "DIR",
              "where the run goes; a finished one of these settings is left alone, an "
              "unfinished one goes on")
      .flag("resume", "there must be a run to go on with")
      .flag("start-over", "set an unfinished run aside and begin anew")
      .option("time-limit", "DURATION", "stop with a checkpoint after this long, e.g. 1h30m")
      .option("stop-before", "DURATION",
              "stop with a checkpoint this long before the limit, --time-limit's or Slurm's", "0s")
      .option("workspace", "DIR", "serve metrics, found through DIR/monitoring/targets")
      .option("threads", "N", "of this rank's computation", "1")
      .option("device", "auto|cpu|cuda", "where to compute; sets training.device")
      .flag("json", "print the finished run's facts as JSON");
  if (!line.parse(arguments)) return 0;
  let_signals_ask();
  at::set_num_threads(static_cast<int>(line.integer("threads", 1, 1024)));
  trainer::TrainingRequest request;
  try {
    request = training_request(line);
  } catch (const InputError&) {
    if (trainer::rank_from_environment() == 0) throw;
    return kExitBadInput;
  }
  return train_together(request, line);
}

}  // namespace muster::launcher
