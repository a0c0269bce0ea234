// One step of training, in phases: take this rank's share, forward, loss over the global batch,
// backward, sum gradients over ranks, step, report.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/progress_sink.h"
#include "models/model.h"
#include "proto/experiment.pb.h"
#include "trainer/batch_input.h"
#include "trainer/checkpoint.h"
#include "trainer/communicator.h"
#include "trainer/gradient_reducer.h"
#include "trainer/micro_batches.h"
#include "trainer/mixed_precision.h"
#include "trainer/parameter_update.h"
#include "trainer/rank_tensors.h"

namespace muster::trainer {

// What a step works on; nothing is owned.
struct StepParts {
  const proto::Training& settings;
  models::Model& model;
  ParameterUpdate& update;
  CommunicatorStatisticsExchange& statistics;
  Communicator& communicator;
};

// Null where the network does not judge pairs.
models::PairModel* pair_judge(models::Model& model);

// One thread per rank.
class TrainingStep {
 public:
  TrainingStep(const TrainingStep&) = delete;
  TrainingStep& operator=(const TrainingStep&) = delete;
  // Collective. `carried` is what carried() said in an earlier life of the run, if there was one.
  TrainingStep(const StepParts& parts, const std::optional<CarriedState>& carried);
  // Collective. `taking_seconds` is what BatchInput::next() took, waiting included. A loss or
  // gradient that is not finite changes neither weights nor running statistics: report.not_finite
  // names it, equal on all ranks. A gradient that the loss's scale was too large for changes no
  // weights either and is no fault: report.overflow.
  common::StepReport run(const InputBatch& input, double taking_seconds);
  CarriedState carried() const { return {reducer_.order(), loss_scale_.state()}; }

 private:
  models::ForwardContext forward_context(const datastore::LoadedBatch& batch) const;
  std::vector<int64_t> clips_per_rank(int64_t clips) const;
  models::NamedTensors kept_buffers() const;
  void restore(const models::NamedTensors& kept) const;
  void divide_gradients() const;
  void update(common::StepReport& report);

  const StepParts parts_;
  const models::NamedTensors parameters_;
  GradientReducer reducer_;
  LossScale loss_scale_;
  const int64_t check_every_;  // steps
  StepHooks hooks_;
};

}  // namespace muster::trainer
