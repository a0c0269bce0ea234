#include "models/rru_stim/refinement.h"

#include <ATen/ATen.h>

#include "common/error.h"

namespace muster::models {
namespace {

constexpr double kGateNormEpsilon = 1e-3;

torch::nn::Linear unbiased(int64_t in, int64_t out) {
  return torch::nn::Linear(torch::nn::LinearOptions(in, out).bias(false));
}

}  // namespace

Refinement::Refinement(const RefinementSize& size, proto::RruStim::Refinement gate)
    : size_(size), gate_(gate) {
  const int64_t inputs = gate == proto::RruStim::APPEARANCE_GATE ? 1 : 2;
  const int64_t places = size.height * size.width;
  transition_ =
      register_parameter("transition", at::zeros({size.transition, inputs * size.channels}));
  bn_ = register_module("bn", std::make_shared<BatchNorm>(size.transition, kGateNormEpsilon));
  if (gate != proto::RruStim::CHANNEL_GATE) {
    spatial1_ = register_module("spatial1", unbiased(places, 2 * places));
    spatial2_ = register_module("spatial2", unbiased(2 * places, places));
  }
  if (gate != proto::RruStim::SPATIAL_GATE) {
    channel_ = register_module("channel", unbiased(size.transition, size.channels));
  }
}

// [frames, clips, places, channels] times `weight` [transition, channels]: as a convolution of maps
// whose channels lie last, which over many frames is quicker than a product of matrices.
at::Tensor Refinement::projected(const at::Tensor& maps, const at::Tensor& weight) const {
  if (maps.size(1) == 0) return at::linear(maps, weight);
  const at::Tensor images =
      maps.view({maps.size(0) * maps.size(1), size_.height, size_.width, size_.channels});
  const at::Tensor kernel = weight.reshape({size_.transition, size_.channels, 1, 1});
  return at::conv2d(images.permute({0, 3, 1, 2}), kernel)
      .permute({0, 2, 3, 1})
      .reshape({maps.size(0), maps.size(1), maps.size(2), size_.transition});
}

// W is linear: its half on what does not depend on S is applied to all frames at once.
std::vector<at::Tensor> Refinement::known_part(const at::Tensor& maps) const {
  const int64_t frames = maps.size(0);
  if (gate_ == proto::RruStim::APPEARANCE_GATE) return {};
  if (gate_ == proto::RruStim::ORIGINAL_GATE) {
    return projected(maps, transition_.narrow(1, 0, size_.channels)).unbind(0);
  }
  if (frames == 1) return {};
  // Of the second frame and later: the first differs from none.
  const at::Tensor motion = maps.narrow(0, 1, frames - 1) - maps.narrow(0, 0, frames - 1);
  return projected(motion, transition_.narrow(1, size_.channels, size_.channels)).unbind(0);
}

// [clips, places, transition] -> the same, H.
at::Tensor Refinement::normalised(const at::Tensor& inner, const ForwardContext& context) {
  // As maps whose channels lie last, which is what the kernels are quick with.
  const at::Tensor maps = inner.view({inner.size(0), size_.height, size_.width, size_.transition})
                              .permute({0, 3, 1, 2});
  return bn_->forward(maps, context).relu_().permute({0, 2, 3, 1}).reshape(inner.sizes());
}

// H -> Z, [clips, places or 1, channels or 1].
at::Tensor Refinement::gate_of(const at::Tensor& inner) {
  at::Tensor spatial, channel;
  if (spatial1_) spatial = spatial2_(at::relu(spatial1_(inner.mean(2)))).unsqueeze(2);
  if (channel_) channel = channel_(inner.mean(1)).unsqueeze(1);
  if (!channel.defined()) return at::sigmoid(spatial);
  if (!spatial.defined()) return at::sigmoid(channel);
  return at::mul(spatial, channel).sigmoid_();
}

at::Tensor Refinement::forward(const at::Tensor& maps, const ForwardContext& context) {
  MUSTER_REQUIRE(maps.dim(), ==, 4);
  MUSTER_REQUIRE(maps.size(0), >=, 1);
  MUSTER_REQUIRE(maps.size(2), ==, size_.height * size_.width);
  MUSTER_REQUIRE(maps.size(3), ==, size_.channels);
  const bool original = gate_ == proto::RruStim::ORIGINAL_GATE;
  const std::vector<at::Tensor> known = known_part(maps);
  // All at once: the gradient of a single frame would be a tensor of the size of all.
  const std::vector<at::Tensor> frame = maps.unbind(0);
  const at::Tensor state_weight =
      transition_.narrow(1, original ? size_.channels : 0, size_.channels);

  at::Tensor state = frame[0];
  // The first frame's gate decides between X_1 and itself; all that it leaves behind is its share
  // of the running statistics (of zeros, unless the gate is the original one).
  if (context.training) {
    const at::NoGradGuard constants;
    const at::Tensor first =
        original ? known[0] + at::linear(state, state_weight)
                 : at::zeros({maps.size(1), maps.size(2), size_.transition}, maps.options());
    normalised(first, context);
  }
  std::vector<at::Tensor> states{state};
  for (size_t t = 1; t < frame.size(); ++t) {
    const at::Tensor news = frame[t] - state;
    at::Tensor inner;
    if (original) {
      inner = known[t] + at::linear(state, state_weight);
    } else {
      inner = at::linear(news, state_weight);  // of X_t - S_{t-1}
      inner = known.empty() ? -inner : known[t - 1] - inner;
    }
    state = at::addcmul(state, gate_of(normalised(inner, context)), news);
    states.push_back(state);
  }
  return at::stack(states);
}

}  // namespace muster::models
