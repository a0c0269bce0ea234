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
#include "launcher/json_line.h"
#include "launcher/shared_command.h"
#include "launcher/stop_request.h"
#include "launcher/training_request.h"
#include "models/model_catalog.h"
#include "monitoring/fan_out_progress.h"
#include "monitoring/log_file_sink.h"
#include "monitoring/prometheus_sink.h"
#include "monitoring/target_file.h"
#include "trainer/compute_device.h"
#include "trainer/gpu_backend.h"
#include "trainer/training_loop.h"

namespace muster::launcher {
namespace {

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
                                        const CommandLine& line, RankTeam& team) {
  trainer::Communicator& communicator = team.communicator();
  NotedSteps noted_steps(team.board());
  monitoring::LogFileSink log(request.run_directory / "logs" / log_name(communicator.rank()));
  log.note("rank " + std::to_string(communicator.rank()) + " of " +
           std::to_string(communicator.size()) + " on " + common::host_name() + ", process " +
           std::to_string(::getpid()) + ", muster " + common::version() + " " + common::commit());
  std::vector<common::ProgressSink*> sinks = {&noted_steps, &log, &team.progress()};
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
  std::cout.flush();
}

void print_as_json(const std::string& directory) {
  const trainer::FinishedRun run = trainer::read_finished_run(directory);
  std::cout << json_line(nlohmann::json{{"run", directory},
                                        {"steps", run.step},
                                        {"loss", run.loss},
                                        {"losses", run.losses},
                                        {"ranks", run.facts.ranks}});
}

int train_together(trainer::TrainingRequest request, const CommandLine& line, RankTeam& team) {
  request.device =
      trainer::agreed_device(request.experiment.training().device(), trainer::gpu_facts(),
                             trainer::local_rank_from_environment(), team.communicator());
  if (request.device.is_cuda()) {
    team.extend([&](std::unique_ptr<trainer::Communicator> ranks) {
      return trainer::with_gpu_communicator(std::move(ranks), request.device);
    });
  }
  const trainer::TrainingEnd end = train_on_this_rank(request, line, team);
  const bool speaks = team.communicator().rank() == 0;
  if (end == trainer::TrainingEnd::kStopped) {
    let_signals_pass();  // the first rank that ends lets mpirun send them to the others
    if (speaks) tell_stop(request, line.has("json"));
    return kExitStoppedOnRequest;
  }
  if (line.has("json") && speaks) print_as_json(request.run_directory);
  return kExitDone;
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
  } catch (const common::InputError&) {
    // Rank 0 speaks, if it has the fault, and the launcher ends the others.
    if (trainer::rank_from_environment() != 0 && ::sleep(2) > 0) return kExitBadInput;
    throw;
  }
  WatchOptions watch;
  watch.limit_seconds = static_cast<double>(request.experiment.training().watchdog_seconds());
  watch.equal_work = true;
  return run_on_ranks(watch, [&](RankTeam& team) { return train_together(request, line, team); });
}

}  // namespace muster::launcher
