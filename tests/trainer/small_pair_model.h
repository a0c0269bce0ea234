// The least model that judges pairs: for tests of the losses.
#pragma once

#include <ATen/ATen.h>

#include "models/keyed_dropout.h"
#include "models/model.h"
#include "tests/models/support.h"

namespace muster::trainer {

// Logits of the difference of "maps" [clips, 3], with dropout by the pairs' keys. Not symmetric.
class SmallPairModel : public models::PairModel {
 public:
  models::InputFormat input_format() const override { return {}; }
  models::ModelOutput forward(const models::ModelInput&, const models::ForwardContext&) override {
    return {};
  }
  at::Tensor distance(const models::Signature& queries,
                      const models::Signature& gallery) const override {
    return at::cdist(queries.at("features"), gallery.at("features"));
  }
  models::NamedTensors parameters() const override { return {{"weight", weight_}}; }
  models::NamedTensors buffers() const override { return {}; }
  void to(at::ScalarType) override {}
  void to(at::Device) override {}
  at::Tensor pair_logits(const models::Signature& first, const models::Signature& second,
                         const models::ForwardContext& context) override {
    ++calls;
    last_keys = context.clip_keys;
    at::Tensor difference = first.at("maps") - second.at("maps") * 0.9;
    if (context.training) difference = models::keyed_dropout(difference, 0.3, context.clip_keys, 1);
    return at::mm(difference.tanh(), weight_);
  }

  int calls = 0;
  std::vector<uint64_t> last_keys;

 private:
  at::Tensor weight_ = models::normal_tensor({3, 2}, 99).requires_grad_();
};

}  // namespace muster::trainer
