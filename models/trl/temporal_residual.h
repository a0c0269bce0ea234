// Temporal residual learning (Dai et al. 2018, section III.C): what the frames of a clip have in
// common, and what each has besides.
#pragma once

#include <torch/nn/modules/rnn.h>

#include "models/model.h"
#include "proto/model.pb.h"

namespace muster::models {

// g1 = LSTM1(f)                     (7 to 9)
// G  = mean over t of g1_t          (10), generic
// g2 = BiLSTM2(G - g1)              (11, 12)
// S  = mean over t of g2_t          (13), specific
class TemporalResidual : public torch::nn::Module {
 public:
  // `hidden` units of a direction. ONE_DIRECTION: LSTM1 runs forward only; it and GENERIC have no
  // second LSTM.
  TemporalResidual(int64_t in, int64_t hidden, proto::Trl::Temporal temporal);
  struct Features {
    at::Tensor generic;   // [clips, features()], undefined where temporal is SPECIFIC
    at::Tensor specific;  // [clips, features()], undefined where there is no second LSTM
  };
  // [clips, frames, in], at least one frame.
  Features forward(const at::Tensor& descriptors);
  int64_t features() const { return features_; }  // hidden, or twice as many in two directions

 private:
  const proto::Trl::Temporal temporal_;
  int64_t features_;
  torch::nn::LSTM generic_{nullptr}, specific_{nullptr};
};

}  // namespace muster::models
