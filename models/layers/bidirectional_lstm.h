// torch's LSTM of one layer and two directions, for many short lines.
#pragma once

#include <torch/nn/modules/rnn.h>

namespace muster::models {

// What lstm(lines) says: lines [steps, lines, channels] -> [steps, lines, 2 * units], first what
// runs from the first step, then what runs from the last. `lstm` must have one layer, biases, two
// directions and no projection; any number of lines.
//   i, f, o = sigmoid(W x_t + U h_{t-1} + b), g = tanh(likewise), c_t = f c_{t-1} + i g,
//   h_t = o tanh(c_t)
// On the CPU the input halves W x + b of all steps and both directions are one product, a step of a
// direction adds one product with h; the gradients of W and U are one product each over all steps.
// tanh(x) is 2 sigmoid(2 x) - 1 there, which in float32 has an absolute error of about 1e-7,
// however small x is. There it is differentiable once. Elsewhere it is torch's.
at::Tensor bidirectional_lstm(torch::nn::LSTM& lstm, const at::Tensor& lines);

}  // namespace muster::models
