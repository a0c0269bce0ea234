#include "models/backbones/classified_backbone.h"

#include <ATen/ATen.h>

#include "common/error.h"
#include "models/backbones/frame_network.h"
#include "models/backbones/googlenet.h"
#include "models/backbones/inception_v3.h"
#include "models/initialisation.h"

namespace muster::models {

using common::InputError;

void require_backbone(const proto::Backbone& options) {
  if (!(options.width() > 0 && options.width() <= 16)) {
    throw InputError("width", std::to_string(options.width()) + " is not in (0, 16]");
  }
  if (options.classes() < 0 || options.classes() > 10'000'000) {
    throw InputError("classes", std::to_string(options.classes()) + " is not in 0 to 10000000");
  }
}

void require_picture(const at::Tensor& images, int64_t smallest, int64_t multiple,
                     const std::string& backbone) {
  for (const int64_t side : {images.size(2), images.size(3)}) {
    if (side >= smallest && side % multiple == 0) continue;
    throw InputError("input", std::to_string(side) + " pixels on a side",
                     backbone + " takes at least " + std::to_string(smallest) +
                         (multiple > 1 ? ", a multiple of " + std::to_string(multiple) : ""));
  }
}

void initialise_backbone(torch::nn::Module& module, uint64_t seed) {
  for (const auto& item : module.named_parameters()) {
    const bool is_bias =
        item.key().size() >= 4 && item.key().substr(item.key().size() - 4) == "bias";
    if (item.value().dim() > 1) {
      kaiming_normal_(item.value(), /*fan_out=*/false, seed, item.key());
    } else if (is_bias) {
      item.value().detach().zero_();
    }
  }
}

Backbone create_googlenet(const proto::Backbone& options, uint64_t seed) {
  require_backbone(options);
  const auto network = std::make_shared<ClassifiedBackbone<GoogLeNet>>(
      GoogLeNetOptions{options.v1(), options.width(), /*stem=*/true});
  network->add_classifier(network->channels(), options.classes());
  initialise_backbone(*network, seed);
  return {
      network, [network](const at::Tensor& images, const ForwardContext& context) {
        require_picture(images, 32, 32, "googlenet");
        const at::Tensor early = network->inception1(network->convs(images, context), context);
        return network->outputs(network->inception3(network->inception2(early, context), context));
      }};
}

Backbone create_inception_v3(const proto::Backbone& options, uint64_t seed) {
  require_backbone(options);
  const auto network =
      std::make_shared<ClassifiedBackbone<InceptionV3>>(options.width(), options.classes());
  network->add_classifier(network->channels(), options.classes());
  initialise_backbone(*network, seed);
  const bool classifies = options.classes() > 0;
  return {network, [network, classifies](const at::Tensor& images, const ForwardContext& context) {
            require_picture(images, InceptionV3::kSmallestInput, 1, "inception_v3");
            const InceptionV3Maps maps = network->InceptionV3::forward(images, context);
            BackboneOutputs outputs = network->outputs(maps.last);
            if (classifies) outputs["auxiliary"] = network->auxiliary_logits(maps.middle, context);
            return outputs;
          }};
}

Backbone create_mclaughlin_cnn(const proto::Backbone& options, uint64_t seed) {
  require_backbone(options);
  FrameNetworkOptions frames;
  frames.filters = options.width();
  frames.dropout = 0;
  const auto network = std::make_shared<ClassifiedBackbone<FrameNetwork>>(frames);
  network->add_classifier(frames.features, options.classes());
  initialise_backbone(*network, seed);
  const auto height = frames.height, width = frames.width;
  return {network,
          [network, height, width](const at::Tensor& images, const ForwardContext& context) {
            if (images.size(2) != height || images.size(3) != width) {
              throw InputError("input", "is not of 56x40 pixels", "mclaughlin_cnn takes no others");
            }
            const at::Tensor features =
                network->frame_features(images.unsqueeze(1), context).squeeze(1);
            BackboneOutputs outputs = network->outputs(features.unsqueeze(2).unsqueeze(3));
            outputs.erase("maps");
            return outputs;
          }};
}

}  // namespace muster::models
