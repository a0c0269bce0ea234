#include "tests/ranks/small_training.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "datastore/batch_plan.h"
#include "models/losses.h"
#include "models/model_catalog.h"
#include "tests/models/support.h"
#include "trainer/loss_terms.h"
#include "trainer/rank_tensors.h"

namespace muster::trainer {
namespace {

using datastore::ClipRange;
using datastore::share_of_rank;
using models::label_tensor_of;

constexpr double kMargin = 1, kTripletWeight = 0.5;

proto::Loss loss_settings() {
  proto::Loss loss;
  loss.mutable_identity();
  loss.mutable_video_triplet()->set_weight(kTripletWeight);
  loss.mutable_video_triplet()->set_margin(kMargin);
  return loss;
}

std::vector<int64_t> counts_per_rank(int64_t clips, int ranks) {
  std::vector<int64_t> counts;
  for (int rank = 0; rank < ranks; ++rank) {
    const ClipRange share = share_of_rank(clips, rank, ranks);
    counts.push_back(share.end - share.begin);
  }
  return counts;
}

SmallBatch share_of(const SmallBatch& batch, const Communicator& communicator) {
  const auto clips = static_cast<int64_t>(batch.labels.size());
  const ClipRange share = share_of_rank(clips, communicator.rank(), communicator.size());
  std::vector<int64_t> own(static_cast<size_t>(share.end - share.begin));
  std::iota(own.begin(), own.end(), share.begin);
  return permuted(batch, own);
}

// The total as a faulty training would build it.
at::Tensor faulty_total(Fault fault, const models::ModelOutput& output, const at::Tensor& labels,
                        const std::vector<int64_t>& counts, Communicator& communicator) {
  const at::Tensor& features = output.signature.at("features");
  const at::Tensor candidates = fault == Fault::kGatherWithoutGradient
                                    ? gather_constant_rows(features.detach(), counts, communicator)
                                    : gather_rows(features, counts, communicator);
  const at::Tensor candidate_labels = gather_constant_rows(labels, counts, communicator);
  const models::LossTerm identity = models::identity_loss(output.logits.at("identity"), labels);
  const models::LossTerm triplet =
      models::batch_hard_triplet_loss(features, labels, candidates, candidate_labels, kMargin);
  const auto global = static_cast<double>(candidates.size(0));
  const double count = fault == Fault::kOwnCounts
                           ? static_cast<double>(std::max<int64_t>(1, identity.count)) *
                                 static_cast<double>(communicator.size())
                           : global;
  return (identity.sum + triplet.sum * kTripletWeight) / count;
}

at::Tensor flat_gradient(const models::Model& model) {
  std::vector<at::Tensor> parts;
  for (const auto& [name, value] : model.parameters()) {
    parts.push_back(value.grad().detach().flatten().to(at::kDouble));
  }
  return at::cat(parts);
}

at::Tensor mined_rows(const at::Tensor& features, const at::Tensor& labels,
                      const std::vector<int64_t>& counts, Communicator& communicator) {
  const at::Tensor anchors = features.detach();
  at::Tensor mined;
  models::batch_hard_triplet_loss(
      anchors, labels, gather_constant_rows(anchors, counts, communicator),
      gather_constant_rows(labels, counts, communicator), kMargin, &mined);
  return gather_constant_rows(mined, counts, communicator);
}

}  // namespace

SmallBatch small_batch(int64_t clips, at::ScalarType type, uint64_t step) {
  SmallBatch batch;
  batch.input.clips = models::normal_tensor({clips, 3, 3, 56, 40}, 1000 * step + 1).to(type);
  batch.input.flow = models::normal_tensor({clips, 3, 2, 56, 40}, 1000 * step + 2).to(type);
  const std::vector<int64_t> labels = {0, 1, 0, 1, 2};
  for (int64_t clip = 0; clip < clips; ++clip) {
    batch.labels.push_back(labels[static_cast<size_t>(clip) % labels.size()]);
    batch.keys.push_back(common::combined_key({step, static_cast<uint64_t>(clip)}));
  }
  return batch;
}

SmallBatch permuted(const SmallBatch& batch, const std::vector<int64_t>& order) {
  const at::Tensor index = label_tensor_of(order);
  SmallBatch result;
  result.input.clips = batch.input.clips.index_select(0, index);
  result.input.flow = batch.input.flow.index_select(0, index);
  for (const int64_t clip : order) {
    result.labels.push_back(batch.labels[static_cast<size_t>(clip)]);
    result.keys.push_back(batch.keys[static_cast<size_t>(clip)]);
  }
  return result;
}

std::unique_ptr<models::Model> small_model(at::ScalarType type, double dropout) {
  proto::Model options;
  options.mutable_stsrn()->set_width(0.25);
  options.mutable_stsrn()->set_features(16);
  options.mutable_stsrn()->set_dropout(dropout);
  auto model = models::create_stsrn(options, 3, 1);
  model->to(type);
  return model;
}

ReducerOptions small_buckets() {
  ReducerOptions options;
  options.bucket_bytes = 4096;
  return options;
}

StepResult run_step(models::Model& model, const SmallBatch& batch, Communicator& communicator,
                    Fault fault, GradientReducer* reducer) {
  std::unique_ptr<GradientReducer> of_this_step;
  if (reducer == nullptr) {
    of_this_step =
        std::make_unique<GradientReducer>(model.parameters(), communicator, small_buckets());
    reducer = of_this_step.get();
  }
  const SmallBatch own = share_of(batch, communicator);
  const at::Tensor labels = label_tensor_of(own.labels);
  const auto counts =
      counts_per_rank(static_cast<int64_t>(batch.labels.size()), communicator.size());
  CommunicatorStatisticsExchange statistics(communicator);
  models::ForwardContext context;
  context.training = true;
  context.clip_keys = own.keys;
  context.statistics = &statistics;
  const models::ModelOutput output = model.forward(own.input, context);
  const StepLosses losses = step_losses(loss_settings(), output, labels, counts, communicator);
  reducer->begin_step();
  if (fault == Fault::kNone || fault == Fault::kScaledByRanks) {
    losses.local_total.backward();
  } else {
    faulty_total(fault, output, labels, counts, communicator).backward();
  }
  reducer->finish();
  StepResult result;
  result.gradient = flat_gradient(model);
  if (fault == Fault::kScaledByRanks) result.gradient /= communicator.size();
  result.total = losses.total;
  result.mined = mined_rows(output.signature.at("features"), labels, counts, communicator);
  return result;
}

double relative_difference(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

double permutation_difference(at::ScalarType type, double dropout, int64_t clips) {
  const auto alone = create_single_communicator();
  const SmallBatch batch = small_batch(clips, type);
  const at::Tensor original = run_step(*small_model(type, dropout), batch, *alone).gradient;
  std::vector<int64_t> order(static_cast<size_t>(clips));
  std::iota(order.begin(), order.end(), 0);
  double largest = 0;
  for (int64_t shift = 1; shift < clips; ++shift) {
    std::rotate(order.begin(), order.begin() + 1, order.end());
    const SmallBatch other = permuted(batch, order);
    largest = std::max(
        largest, relative_difference(run_step(*small_model(type, dropout), other, *alone).gradient,
                                     original));
  }
  return largest;
}

}  // namespace muster::trainer
