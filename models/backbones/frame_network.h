// McLaughlin's small CNN (2016) and the residual forms that STSRN (2018) makes of it: every frame
// by itself becomes a vector.
#pragma once

#include <torch/nn/modules/linear.h>

#include <functional>
#include <string>
#include <vector>

#include "models/model.h"
#include "proto/model.pb.h"

namespace muster::models {

struct FrameNetworkOptions {
  proto::Stsrn::Structure structure = proto::Stsrn::BASE;  // BASE is McLaughlin's
  bool activation_in_block = false;                        // Figure 3b of STSRN in place of 3c
  double filters = 1;                                      // times 16, 32, 32
  int64_t channels = 5, height = 56, width = 40;           // of a frame, pixels
  int64_t features = 128;
  double dropout = 0.6;
};

// Stages (Table 5 of STSRN), each with Tanh at its end; "+" is a max-pool 2/2:
//   BASE                   conv+ conv2+ conv3+            McLaughlin's CNN
//   SINGLE_RESIDUAL        conv+ conv2+ residual1+
//   DOUBLE_RESIDUAL        conv+ residual1+ residual2+
//   TRIPLE_RESIDUAL        conv+ residual1 residual2+ residual3+
//   DOUBLE_PLAIN_RESIDUAL  conv+ residual1+ residual2+    blocks of Figure 3a
// Every conv is 5x5, pad 4: maps grow by 4 pixels. Then dropout and the layer "features".
// Networks derive from it, so that all weights stand side by side.
class FrameNetwork : public torch::nn::Module {
 public:
  explicit FrameNetwork(const FrameNetworkOptions& options);
  // [clips, frames, channels, height, width] -> [clips, frames, features]
  at::Tensor frame_features(const at::Tensor& images, const ForwardContext& context);

 private:
  struct Stage {
    std::function<at::Tensor(const at::Tensor&)> filter;
    bool pooled;
  };
  void add_convolution(const std::string& name, int64_t out);
  void add_residual(const std::string& name, int64_t out, const FrameNetworkOptions& options,
                    bool pooled = true);
  void add_stage(Stage stage, int64_t out, int64_t growth);

  std::vector<Stage> stages_;
  int64_t channels_, height_, width_;  // of the last stage's maps
  torch::nn::Linear features_{nullptr};
  double dropout_;
};

}  // namespace muster::models
