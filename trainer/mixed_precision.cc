#include "trainer/mixed_precision.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "common/error.h"
#include "common/number_text.h"
#include "models/layers/autocast.h"

namespace muster::trainer {
namespace {

constexpr double kFirstScale = 65536, kSmallestScale = 1, kLargestScale = 16777216;
constexpr int64_t kStepsBeforeDoubling = 2000;

bool is_power_of_two(double value) {
  int exponent = 0;
  return std::isfinite(value) && std::frexp(value, &exponent) == 0.5;
}

}  // namespace

at::ScalarType type_of_weights(proto::Precision precision) {
  return precision == proto::FLOAT64 ? at::kDouble : at::kFloat;
}

at::ScalarType type_of_products(proto::Precision precision) {
  switch (precision) {
    case proto::MIXED_BFLOAT16:
      return at::kBFloat16;
    case proto::MIXED_FLOAT16:
      return at::kHalf;
    case proto::FLOAT32:
    case proto::FLOAT64:
      break;
  }
  return type_of_weights(precision);
}

void require_precision(proto::Precision precision, const at::Device& device) {
  if (precision != proto::MIXED_FLOAT16 || !device.is_cpu()) return;
  throw common::InputError("training.precision", "MIXED_FLOAT16 needs a GPU",
                           "choose MIXED_BFLOAT16, which a CPU has too");
}

models::ModelOutput in_full_precision(models::ModelOutput output) {
  for (auto& [name, value] : output.signature) value = models::in_full_precision(value);
  for (auto& [name, value] : output.logits) value = models::in_full_precision(value);
  return output;
}

LossScale::LossScale(proto::Precision precision) : moves_(precision == proto::MIXED_FLOAT16) {
  if (moves_) state_.scale = kFirstScale;
}

bool LossScale::judge(bool finite) {
  if (!moves_) return finite;
  if (!finite) {
    const bool tried_too_far = state_.scale > kSmallestScale;
    state_ = {std::max(kSmallestScale, state_.scale / 2), 0};
    return tried_too_far;
  }
  if (++state_.good_steps == kStepsBeforeDoubling) {
    state_ = {std::min(kLargestScale, 2 * state_.scale), 0};
  }
  return true;
}

void LossScale::restore(const LossScaleState& state) {
  const bool fits = moves_ ? is_power_of_two(state.scale) && state.scale >= kSmallestScale &&
                                 state.scale <= kLargestScale && state.good_steps >= 0 &&
                                 state.good_steps < kStepsBeforeDoubling
                           : state.scale == 1 && state.good_steps == 0;
  if (!fits) {
    throw common::InputError("the scale of the loss", common::number_text(state.scale) + " after " +
                                                          std::to_string(state.good_steps) +
                                                          " good steps is none of this training's");
  }
  state_ = state;
}

}  // namespace muster::trainer
