// One step of a small STSRN on a fixed global batch that any number of ranks shares.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "models/model.h"
#include "trainer/communicator.h"
#include "trainer/gradient_reducer.h"

namespace muster::trainer {

struct SmallBatch {
  models::ModelInput input;
  std::vector<int64_t> labels;
  std::vector<uint64_t> keys;
};

// `clips` clips of 3 frames, a function of `step`. Two clips of an identity never stand side by
// side, so that ranks hold each other's positives; with 5 clips one identity is alone.
SmallBatch small_batch(int64_t clips, at::ScalarType type, uint64_t step = 1);
// The same clips in another order.
SmallBatch permuted(const SmallBatch& batch, const std::vector<int64_t>& order);

// Width 0.25, 16 features, three identities; first weights from a fixed seed.
std::unique_ptr<models::Model> small_model(at::ScalarType type, double dropout);

// What training across ranks is known to get wrong.
enum class Fault {
  kNone,
  kScaledByRanks,          // the mean over ranks instead of the sum
  kOwnCounts,              // each rank's mean over its own clips, then the mean over ranks
  kGatherWithoutGradient,  // other ranks' clips as constants
};

struct StepResult {
  at::Tensor gradient;  // float64, all parameters in a row, summed over ranks
  double total = 0;     // over the global batch
  at::Tensor mined;     // [global clips, 2] hardest positive and negative, rows of the global batch
};

// Several buckets for a small network.
ReducerOptions small_buckets();

// Collective: this rank's share of the batch forwards and backwards, gradients are reduced, by
// `reducer` or one for this step alone. Leaves the sum in the model's gradients.
StepResult run_step(models::Model& model, const SmallBatch& batch, Communicator& communicator,
                    Fault fault = Fault::kNone, GradientReducer* reducer = nullptr);

// |a - b| / |b|
double relative_difference(const at::Tensor& a, const at::Tensor& b);

// The largest relative difference of the gradient that permuting the batch in one process makes.
double permutation_difference(at::ScalarType type, double dropout, int64_t clips);

}  // namespace muster::trainer
