// The temporal attention model (TAM) of See the Forest for the Trees (Zhou et al. 2017, section
// 3.2): at every step of an LSTM, all frames of a clip, weighed by what the LSTM wants next.
#pragma once

#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/rnn.h>

#include "models/model.h"

namespace muster::models {

struct TemporalAttentionSize {
  int64_t features = 1024;  // of a frame: D1
  int64_t attention = 256;  // rows of U, V, W
  int64_t recurrent = 512;  // units of the LSTM: D2
  bool attend_to_cell = false;
};

// For t = 1 .. T over frames f_1 .. f_T, h_0 = c_0 = z_0 = 0:
//   e_ti = w . tanh(U f_i + V h_{t-1} + W z_{t-1} + b)
//   a_t  = softmax of e_t over i                           (Figure 4)
//   x_t  = sum over i of a_ti f_i                          (3)
//   h_t, c_t = LSTM(x_t, h_{t-1}, c_{t-1})
// z_t is x_t, or with `attend_to_cell` c_t: the paper does not say which.
// Parameters: frame.weight (U), frame.bias (b), state.weight (V), past.weight (W), score.weight
// (w), recurrent.weight_ih, ... as torch's LSTMCell has them.
class TemporalAttention : public torch::nn::Module {
 public:
  explicit TemporalAttention(const TemporalAttentionSize& size);

  // [clips, frames, features], at least one frame -> [clips, recurrent], the mean of h_t over t.
  // `attention`, if given, gets a: [clips, steps, frames].
  at::Tensor forward(const at::Tensor& frames, at::Tensor* attention = nullptr);

 private:
  const TemporalAttentionSize size_;
  torch::nn::Linear frame_{nullptr}, state_{nullptr}, past_{nullptr}, score_{nullptr};
  torch::nn::LSTMCell recurrent_{nullptr};
};

}  // namespace muster::models
