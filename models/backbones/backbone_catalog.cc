#include "models/backbones/backbone_catalog.h"

#include <ATen/ATen.h>

#include "common/error.h"
#include "common/number_text.h"
#include "models/backbones/bn_inception.h"
#include "models/backbones/caffenet.h"
#include "models/backbones/classified_backbone.h"
#include "models/backbones/frame_network.h"
#include "models/backbones/googlenet.h"
#include "models/backbones/inception_v3.h"
#include "models/backbones/resnet50.h"
#include "models/initialisation.h"

namespace muster::models {
namespace {

using common::InputError;

void refuse_setting(const std::string& field, const std::string& problem) {
  throw InputError("backbone." + field, problem);
}

// `sized`: whether its weights depend on the size of pictures.
void check_backbone(const proto::Backbone& options, bool classifies, bool sized = false) {
  if (!(options.width() > 0 && options.width() <= 16)) {
    refuse_setting("width", common::number_text(options.width()) + " is not in (0, 16]");
  }
  if (options.classes() < 0 || options.classes() > 10'000'000) {
    refuse_setting("classes", std::to_string(options.classes()) + " is not in 0 to 10000000");
  }
  if (options.classes() > 0 && !classifies) {
    refuse_setting("classes", "has no meaning: the backbone has no classifier");
  }
  if (options.input_size() != 0 && !sized) {
    refuse_setting("input_size", "has no meaning: the weights do not depend on it");
  }
}

void check_v1(const proto::Backbone& options) {
  if (options.v1()) refuse_setting("v1", "has no meaning: only googlenet has that form");
}

// [images, channels, height, width]
void require_picture(const at::Tensor& images, int64_t smallest, int64_t multiple) {
  for (const int64_t side : {images.size(2), images.size(3)}) {
    if (side >= smallest && side % multiple == 0) continue;
    throw InputError(
        "input", "is " + std::to_string(side) + " pixels on a side",
        "give at least " + std::to_string(smallest) +
            (multiple > 1 ? " pixels, a multiple of " + std::to_string(multiple) : " pixels"));
  }
}

void require_size(const at::Tensor& images, int64_t height, int64_t width) {
  if (images.size(2) == height && images.size(3) == width) return;
  throw InputError("input",
                   "is " + std::to_string(images.size(2)) + "x" + std::to_string(images.size(3)),
                   "give " + std::to_string(height) + "x" + std::to_string(width) + " pixels");
}

// Kaiming's for kernels and matrices, 0 for biases, 1 for the weights of batch norms.
void initialise_backbone(torch::nn::Module& module, uint64_t seed) {
  const std::string bias = "bias";
  for (const auto& item : module.named_parameters()) {
    const std::string& name = item.key();
    if (item.value().dim() > 1) {
      kaiming_normal_(item.value(), /*fan_out=*/false, seed, name);
    } else if (name.size() >= bias.size() &&
               name.compare(name.size() - bias.size(), bias.size(), bias) == 0) {
      item.value().detach().zero_();
    }
  }
}

Backbone create_googlenet(const proto::Backbone& options, uint64_t seed) {
  check_backbone(options, /*classifies=*/true);
  const auto network = std::make_shared<ClassifiedBackbone<GoogLeNet>>(
      GoogLeNetOptions{options.v1(), options.width(), /*stem=*/true});
  network->add_classifier(network->channels(), options.classes());
  initialise_backbone(*network, seed);
  return {
      network, [network](const at::Tensor& images, const ForwardContext& context) {
        require_picture(images, 32, 32);
        const at::Tensor early = network->inception1(network->convs(images, context), context);
        return network->outputs(network->inception3(network->inception2(early, context), context));
      }};
}

Backbone create_inception_v3(const proto::Backbone& options, uint64_t seed) {
  check_v1(options);
  check_backbone(options, /*classifies=*/true);
  const auto network =
      std::make_shared<ClassifiedBackbone<InceptionV3>>(options.width(), options.classes());
  network->add_classifier(network->channels(), options.classes());
  initialise_backbone(*network, seed);
  const bool classifies = options.classes() > 0;
  return {network, [network, classifies](const at::Tensor& images, const ForwardContext& context) {
            require_picture(images, InceptionV3::kSmallestInput, 1);
            const InceptionV3Maps maps = network->InceptionV3::forward(images, context);
            BackboneOutputs outputs = network->outputs(maps.last);
            if (classifies) outputs["auxiliary"] = network->auxiliary_logits(maps.middle, context);
            return outputs;
          }};
}

Backbone create_resnet50(const proto::Backbone& options, uint64_t seed) {
  check_v1(options);
  check_backbone(options, /*classifies=*/true);
  const auto network = std::make_shared<ClassifiedBackbone<ResNet50>>(options.width());
  network->add_classifier(ResNet50::channels_of(ResNet50::kBlocks - 1, options.width()),
                          options.classes());
  initialise_backbone(*network, seed);
  return {network, [network](const at::Tensor& images, const ForwardContext& context) {
            require_picture(images, 32, 32);
            return network->outputs(
                network->blocks(network->stem(images, context), 0, ResNet50::kBlocks, context));
          }};
}

Backbone create_bn_inception(const proto::Backbone& options, uint64_t seed) {
  check_v1(options);
  check_backbone(options, /*classifies=*/true);
  const auto network = std::make_shared<ClassifiedBackbone<BnInception>>(options.width());
  network->add_classifier(network->channels(), options.classes());
  initialise_backbone(*network, seed);
  return {network, [network](const at::Tensor& images, const ForwardContext& context) {
            require_picture(images, 32, 32);
            return network->outputs(network->BnInception::forward(images, context));
          }};
}

// "maps" are pool5, "features" fc7.
Backbone create_caffenet(const proto::Backbone& options, uint64_t seed) {
  check_v1(options);
  check_backbone(options, /*classifies=*/false, /*sized=*/true);
  CaffeNetOptions settings;
  settings.width = options.width();
  settings.dropout = 0;
  if (options.input_size() != 0) settings.input_size = options.input_size();
  if (settings.input_size < CaffeNet::kSmallestInput || settings.input_size > 8192) {
    refuse_setting("input_size", std::to_string(options.input_size()) + " is not in " +
                                     std::to_string(CaffeNet::kSmallestInput) + " to 8192");
  }
  const auto network = std::make_shared<CaffeNet>(settings);
  initialise_backbone(*network, seed);
  const int64_t size = settings.input_size;
  return {network, [network, size](const at::Tensor& images, const ForwardContext& context) {
            require_size(images, size, size);
            const at::Tensor maps = network->pool5(images);
            const at::Tensor features = network->fc7(maps, /*frames=*/1, context);
            return BackboneOutputs{{"maps", maps}, {"features", features.flatten(0, 1)}};
          }};
}

Backbone create_mclaughlin_cnn(const proto::Backbone& options, uint64_t seed) {
  check_v1(options);
  check_backbone(options, /*classifies=*/true);
  FrameNetworkOptions frames;
  frames.filters = options.width();
  frames.dropout = 0;
  const auto network = std::make_shared<ClassifiedBackbone<FrameNetwork>>(frames);
  network->add_classifier(frames.features, options.classes());
  initialise_backbone(*network, seed);
  const int64_t height = frames.height, width = frames.width;
  return {network,
          [network, height, width](const at::Tensor& images, const ForwardContext& context) {
            require_size(images, height, width);
            const at::Tensor features =
                network->frame_features(images.unsqueeze(1), context).squeeze(1);
            BackboneOutputs outputs = network->outputs(features.unsqueeze(2).unsqueeze(3));
            outputs.erase("maps");
            return outputs;
          }};
}

}  // namespace

const std::vector<BackboneEntry>& backbone_catalog() {
  static const std::vector<BackboneEntry> catalog = {
      {"googlenet", "Szegedy et al. 2015, torchvision's variant or v1", 3, 224, 224,
       &create_googlenet},
      {"bn_inception", "Ioffe and Szegedy 2015, Inception with batch norm, channels of STAL", 3,
       224, 224, &create_bn_inception},
      {"caffenet", "BVLC's reference network, full layers of 1024 as See the Forest has them", 3,
       227, 227, &create_caffenet},
      {"inception_v3", "Szegedy et al. 2016, with its auxiliary classifier", 3, 299, 299,
       &create_inception_v3},
      {"resnet50", "He et al. 2016, deep residual learning", 3, 224, 224, &create_resnet50},
      {"mclaughlin_cnn", "McLaughlin et al. 2016, the CNN of CNN-RNN", 5, 56, 40,
       &create_mclaughlin_cnn},
  };
  return catalog;
}

NamedTensors weights_of(const Backbone& backbone) {
  NamedTensors weights;
  for (const auto& item : backbone.module->named_parameters()) {
    weights.emplace_back(item.key(), item.value());
  }
  for (const auto& item : backbone.module->named_buffers()) {
    weights.emplace_back(item.key(), item.value());
  }
  return weights;
}

}  // namespace muster::models
