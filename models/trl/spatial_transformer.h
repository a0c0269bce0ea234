// ST2N of TRL (Dai et al. 2018, section III.B): scales and shifts low-level maps to where
// high-level maps of the same frames say the person is.
#pragma once

#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/rnn.h>

#include <memory>

#include "models/layers/convolution.h"

namespace muster::models {

// Equations 5 and 6: y[i, c, v, u] = maps[i, c] at (s_x x_u + tau_x, s_y y_v + tau_y), bilinear,
// where the coordinates x_u and y_v run evenly from -1 (centre of the first pixel) to 1 (centre of
// the last one) and pixels outside are zero. `transforms` is [images, 4]: s_x, tau_x, s_y, tau_y;
// `maps` is [images, channels, height, width], sides of at least 2. Same shape back.
at::Tensor scaled_and_shifted(const at::Tensor& maps, const at::Tensor& transforms);

struct SpatialTransformerOptions {
  int64_t in = 832;        // channels of the high-level maps
  int64_t channels = 512;  // of the shallow CNN
  bool temporal = true;    // ST2N; without, STN: each frame by itself
  int64_t hidden = 256;    // units of a direction of the BiLSTM over the frames
  double dropout = 0.5;    // of its output
};

// c_t = GAP(unit(maxpool(unit(X_t)))), unit = 1x1 convolution, batch norm, ReLU   (1)
// h_t = BiLSTM(c)_t, dropped out                                                   (2, 3)
// theta_t = FC(h_t), or FC(c_t) without `temporal`                                 (4)
class SpatialTransformer : public torch::nn::Module {
 public:
  explicit SpatialTransformer(const SpatialTransformerOptions& options);
  // c_t [images, channels] of `features` [images, in, height, width], sides of at least 2: every
  // frame by itself.
  at::Tensor described(const at::Tensor& features, const ForwardContext& context);
  // theta_t [clips * frames, 4] of descriptions [clips * frames, channels].
  at::Tensor transforms(const at::Tensor& descriptions, int64_t clips,
                        const ForwardContext& context);
  // Both.
  at::Tensor localise(const at::Tensor& features, int64_t clips, const ForwardContext& context) {
    return transforms(described(features, context), clips, context);
  }
  // Weights zero, bias such that every frame stays as it is: the start of a training.
  void reset_to_identity();

 private:
  const SpatialTransformerOptions options_;
  std::shared_ptr<ConvolutionUnit> unit1_, unit2_;
  torch::nn::LSTM recurrent_{nullptr};
  torch::nn::Linear transform_{nullptr};
};

}  // namespace muster::models
