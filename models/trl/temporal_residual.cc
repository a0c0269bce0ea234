#include "models/trl/temporal_residual.h"

#include <ATen/ATen.h>

#include "common/error.h"

namespace muster::models {
namespace {

torch::nn::LSTM temporal_lstm(int64_t in, int64_t hidden, bool both_directions) {
  return torch::nn::LSTM(
      torch::nn::LSTMOptions(in, hidden).batch_first(true).bidirectional(both_directions));
}

}  // namespace

TemporalResidual::TemporalResidual(int64_t in, int64_t hidden, proto::Trl::Temporal temporal)
    : temporal_(temporal) {
  const bool both_directions = temporal != proto::Trl::ONE_DIRECTION;
  features_ = both_directions ? 2 * hidden : hidden;
  generic_ = register_module("generic", temporal_lstm(in, hidden, both_directions));
  if (temporal == proto::Trl::SPECIFIC || temporal == proto::Trl::GENERIC_AND_SPECIFIC) {
    specific_ = register_module("specific", temporal_lstm(features_, hidden, true));
  }
}

TemporalResidual::Features TemporalResidual::forward(const at::Tensor& descriptors) {
  MUSTER_REQUIRE(descriptors.size(1), >, 0);
  const at::Tensor steps = std::get<0>(generic_(descriptors));
  const at::Tensor mean = steps.mean(1);
  Features features;
  if (temporal_ != proto::Trl::SPECIFIC) features.generic = mean;
  if (specific_) {
    features.specific = std::get<0>(specific_(mean.unsqueeze(1) - steps)).mean(1);
  }
  return features;
}

}  // namespace muster::models
