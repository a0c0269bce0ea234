// muster-step-worker: muster's side of benchmarks/training/against_ddp.py, which starts it under
// mpirun: training steps of the trainer on tensors that are given.
//   muster-step-worker SPEC IDENTITIES THREADS WEIGHTS FOLDER
// SPEC is an experiment; WEIGHTS is a safetensors file, or "-" for first weights of the seed.
// FOLDER holds for each rank `inputs-RANK` (safetensors: what the network takes, and "labels") and
// the pipes `commands-RANK` and `answers-RANK`. Each rank answers each line by one line:
//   step N   JSON, after N steps of all ranks: "seconds" of all and lists of every step's "loss"
//   and
//            phases, seconds, of this rank
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "benchmarks/guarded_main.h"
#include "common/error.h"
#include "common/process_memory.h"
#include "launcher/experiment_file.h"
#include "models/model_catalog.h"
#include "models/safetensors.h"
#include "models/weight_loading.h"
#include "trainer/operation_board.h"
#include "trainer/rank_tensors.h"
#include "trainer/training_step.h"
#include "trainer/watched_communicator.h"

namespace muster::benchmarks {
namespace {

using Clock = std::chrono::steady_clock;
using TensorsByName = std::map<std::string, at::Tensor>;

struct Arguments {
  proto::Experiment experiment;
  int64_t identities = 0;
  std::string weights, folder;
};

// This rank's share of a batch in which all ranks have as many clips.
trainer::InputBatch batch_of(const TensorsByName& given, const trainer::Communicator& ranks) {
  trainer::InputBatch batch;
  const auto tensor = [&](const char* name) {
    const auto found = given.find(name);
    return found == given.end() ? at::Tensor() : found->second;
  };
  batch.input.clips = tensor("clips");
  batch.input.flow = tensor("flow");
  batch.input.joints = tensor("joints");
  batch.input.boxes = tensor("boxes");
  batch.labels = given.at("labels").to(at::kLong);
  const int64_t clips = batch.input.clips.size(0);
  batch.facts.frames = static_cast<int>(batch.input.clips.size(1));
  batch.facts.global.resize(static_cast<size_t>(clips * ranks.size()));
  for (size_t i = 0; i < batch.facts.global.size(); ++i) batch.facts.global[i].key = i + 1;
  batch.facts.share = {clips * ranks.rank(), clips * (ranks.rank() + 1)};
  return batch;
}

class Worker {
 public:
  Worker(const Arguments& arguments, trainer::Communicator& ranks)
      : experiment_(arguments.experiment),
        ranks_(ranks),
        statistics_(ranks),
        model_(models::model_entry(experiment_.model())
                   .create(experiment_.model(), arguments.identities, 1)) {
    if (arguments.weights != "-") {
      models::load_weights(models::weights_of(*model_),
                           models::read_safetensors(arguments.weights).tensors,
                           models::Loading::kStrict, arguments.weights);
    }
    update_ =
        trainer::create_parameter_update(experiment_.training().optimizer(), model_->parameters());
    step_ = std::make_unique<trainer::TrainingStep>(
        trainer::StepParts{experiment_.training(), *model_, *update_, statistics_, ranks_},
        std::nullopt);
    const std::string file = arguments.folder + "/inputs-" + std::to_string(ranks.rank());
    batch_ = batch_of(models::read_safetensors(file).tensors, ranks);
  }

  nlohmann::json steps(int count) {
    nlohmann::json answer = {{"loss", nlohmann::json::array()}};
    ranks_.barrier();
    const Clock::time_point begin = Clock::now();
    for (int i = 0; i < count; ++i) {
      ++batch_.facts.step;
      const common::StepReport report = step_->run(batch_, 0);
      if (!report.not_finite.empty()) {
        throw common::SystemError("step " + std::to_string(report.step),
                                  report.not_finite + " is not finite");
      }
      const common::PhaseSeconds& phase = report.phase_seconds;
      answer["loss"].push_back(report.loss);
      answer["forward"].push_back(phase.forward + phase.loss);
      answer["backward"].push_back(phase.backward);
      answer["exposed"].push_back(phase.communication_exposed);
      answer["optimizer"].push_back(phase.optimizer);
    }
    answer["seconds"] = std::chrono::duration<double>(Clock::now() - begin).count();
    return answer;
  }

 private:
  const proto::Experiment experiment_;
  trainer::Communicator& ranks_;
  trainer::CommunicatorStatisticsExchange statistics_;
  const std::unique_ptr<models::Model> model_;
  std::unique_ptr<trainer::ParameterUpdate> update_;
  std::unique_ptr<trainer::TrainingStep> step_;
  trainer::InputBatch batch_;
};

int run(const std::vector<std::string>& given) {
  if (given.size() != 5) {
    throw common::InputError("the command line", "is not SPEC IDENTITIES THREADS WEIGHTS FOLDER",
                             "start benchmarks/training/against_ddp.py, which starts this program");
  }
  common::keep_freed_memory();  // as the programs do
  at::set_num_threads(std::stoi(given[2]));
  const Arguments arguments{launcher::read_experiment(given[0], {}), std::stoll(given[1]), given[3],
                            given[4]};
  const auto ranks = trainer::create_mpi_communicator();
  trainer::OperationBoard board;
  const auto watched = trainer::create_watched_communicator(*ranks, board);  // as in muster train
  Worker worker(arguments, *watched);
  const std::string rank = std::to_string(ranks->rank());
  std::ifstream commands(arguments.folder + "/commands-" + rank);
  std::ofstream answers(arguments.folder + "/answers-" + rank);
  answers << "ready" << std::endl;
  for (std::string line; std::getline(commands, line);) {
    std::istringstream words(line);
    std::string command;
    int count = 0;
    words >> command >> count;
    if (command != "step") throw common::InputError("'" + command + "'", "is no command");
    answers << worker.steps(count).dump() << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace muster::benchmarks

int main(int count, char** values) {
  return muster::benchmarks::guarded_main("muster-step-worker", count, values,
                                          &muster::benchmarks::run);
}
