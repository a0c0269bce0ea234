#include "models/tam_srm/temporal_attention.h"

#include <ATen/ATen.h>

#include "common/error.h"
#include "models/layers/row_product.h"

namespace muster::models {
namespace {

torch::nn::Linear without_bias(int64_t in, int64_t out) {
  return torch::nn::Linear(torch::nn::LinearOptions(in, out).bias(false));
}

struct CellState {
  at::Tensor hidden, cell;  // [clips, units]; undefined: zero
};

// From [clips, 4 * units] inputs of the gates, in torch's order: input, forget, candidate, output.
CellState next_state(const at::Tensor& gates, const at::Tensor& cell) {
  const int64_t units = gates.size(1) / 4;
  const at::Tensor candidate = gates.narrow(1, 2 * units, units).tanh();
  const at::Tensor output = gates.narrow(1, 3 * units, units).sigmoid();
  CellState next;
  if (cell.defined()) {
    const at::Tensor both = gates.narrow(1, 0, 2 * units).sigmoid();
    next.cell =
        at::addcmul(both.narrow(1, units, units) * cell, both.narrow(1, 0, units), candidate);
  } else {
    next.cell = gates.narrow(1, 0, units).sigmoid() * candidate;
  }
  next.hidden = output * next.cell.tanh();
  return next;
}

}  // namespace

TemporalAttention::TemporalAttention(const TemporalAttentionSize& size) : size_(size) {
  frame_ = register_module("frame", torch::nn::Linear(size.features, size.attention));
  state_ = register_module("state", without_bias(size.recurrent, size.attention));
  past_ = register_module(
      "past", without_bias(size.attend_to_cell ? size.recurrent : size.features, size.attention));
  score_ = register_module("score", without_bias(size.attention, 1));
  recurrent_ = register_module("recurrent", torch::nn::LSTMCell(size.features, size.recurrent));
}

// x_t is a weighted sum of frames, so that what is linear in it is the same sum of what all frames
// become at once: P = f (W | W_ih)^T, of which a step takes a_t P. What is linear in h shares one
// product: (V | W_hh) h.
at::Tensor TemporalAttention::forward(const at::Tensor& frames, at::Tensor* attention) {
  MUSTER_REQUIRE(frames.dim(), ==, 3);
  MUSTER_REQUIRE(frames.size(1), >=, 1);
  MUSTER_REQUIRE(frames.size(2), ==, size_.features);
  const int64_t steps = frames.size(1), gates = 4 * size_.recurrent, width = size_.attention;
  const bool by_cell = size_.attend_to_cell;
  const at::Tensor keys = frame_(frames);  // U f + b
  const at::Tensor input_weight =
      by_cell ? recurrent_->weight_ih : at::cat({past_->weight, recurrent_->weight_ih});
  const at::Tensor inputs = row_product(frames.flatten(0, 1), input_weight, {})
                                .view({frames.size(0), steps, input_weight.size(0)});  // P
  const at::Tensor state_weight = at::cat({state_->weight, recurrent_->weight_hh}).t();
  const at::Tensor bias =
      at::constant_pad_nd(recurrent_->bias_ih + recurrent_->bias_hh, {width, 0});
  const at::Tensor score = score_->weight.view({width});

  CellState state;
  at::Tensor query, of_state = bias.expand({frames.size(0), width + gates});
  std::vector<at::Tensor> outputs, weights;
  for (int64_t t = 0; t < steps; ++t) {
    const at::Tensor inner = query.defined() ? keys + query.unsqueeze(1) : keys;
    const at::Tensor weight = at::matmul(inner.tanh(), score).softmax(1);
    if (attention != nullptr) weights.push_back(weight);
    const at::Tensor taken = at::bmm(weight.unsqueeze(1), inputs).squeeze(1);
    const at::Tensor gate_inputs = by_cell ? taken : taken.narrow(1, width, gates);
    state = next_state(gate_inputs + of_state.narrow(1, width, gates), state.cell);
    outputs.push_back(state.hidden);
    if (t + 1 == steps) break;
    of_state = at::addmm(bias, state.hidden, state_weight);
    query = of_state.narrow(1, 0, width) +
            (by_cell ? at::linear(state.cell, past_->weight) : taken.narrow(1, 0, width));
  }
  if (attention != nullptr) *attention = at::stack(weights, 1);
  return at::stack(outputs).mean(0);
}

}  // namespace muster::models
