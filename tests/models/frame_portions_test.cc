// What is done with every frame by itself is done in portions, and nobody can tell.
#include "models/frame_portions.h"

#include <ATen/record_function.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "models/model_catalog.h"
#include "tests/models/random_weights.h"

namespace muster::models {
namespace {

const char* const kNetworksInPortions[] = {
    "rru_stim { width: 0.02 input_size: 107 feature_size: 6 }",
    "trl { width: 0.0625 input_size: 64 hidden: 4 localisation_hidden: 4 localisation_channels: 6 "
    "}",
    "stal { width: 0.0625 input_size: 64 part_size: 5 }",
    "stal { width: 0.0625 input_size: 64 part_size: 5 boxes: BOXES_OF_JOINTS }",
    "tam_srm { width: 0.0625 input_size: 107 feature_size: 8 attention_size: 5 recurrent_size: 6 "
    "metric_channels: 4 metric_hidden: 9 frames: 3 }",
    "pose_network { width: 0.0625 input_size: 64 deconvolution_channels: 6 }"};

std::unique_ptr<Model> network_in_portions(const std::string& settings) {
  proto::Model options;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(settings, &options)) << settings;
  auto model = model_entry(options).create(options, 4, 1);
  model->to(at::kDouble);
  randomise_weights(weights_of(*model));
  return model;
}

ModelInput clips_for(const Model& model, int64_t clips, int64_t frames) {
  const int64_t size = model.input_format().crop_height;
  ModelInput input;
  input.clips = normal_tensor({clips, frames, 3, size, size}, 1);
  input.joints = 30 + 15 * normal_tensor({clips, frames, 14, 3}, 2);
  input.joints.select(3, 2).fill_(1);
  return input;
}

thread_local int64_t largest_batch_seen = 0;

// The most maps that one convolution of `function` is given; small ones (of 3x3 places) may go
// all at once.
template <typename Function>
int64_t largest_convolved_batch(const Function& function) {
  largest_batch_seen = 0;
  const auto note = [](const at::RecordFunction& call) -> std::unique_ptr<at::ObserverContext> {
    if (std::string(call.name()) == "aten::convolution") {
      const at::Tensor& maps = call.inputs()[0].toTensor();
      if (maps.size(2) > 3) largest_batch_seen = std::max(largest_batch_seen, maps.size(0));
    }
    return nullptr;
  };
  const at::CallbackHandle handle = at::addThreadLocalCallback(
      at::RecordFunctionCallback(note).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
  function();
  at::removeCallback(handle);
  return largest_batch_seen;
}

TEST(FramePortionsTest, NoConvolutionOfALongTrackletTakesMoreThanAPortion) {
  for (const char* settings : kNetworksInPortions) {
    const auto model = network_in_portions(settings);
    const ModelInput input = clips_for(*model, 24, 3);
    const int64_t batch = largest_convolved_batch([&] {
      const at::NoGradGuard no_gradients;
      model->forward(input, evaluation_context());
    });
    EXPECT_EQ(batch, kImagesAtOnce) << settings;
  }
}

TEST(FramePortionsTest, NetworksSayOfAClipTheSameInManyPortionsAndInOne) {
  for (const char* settings : kNetworksInPortions) {
    const auto model = network_in_portions(settings);
    const ModelInput all = clips_for(*model, 24, 3);
    const ModelOutput together = model->forward(all, evaluation_context());
    for (const int64_t clip : {0, 20, 21, 23}) {  // the 64th frame is of clip 21
      ModelInput one;
      one.clips = all.clips.narrow(0, clip, 1);
      one.joints = all.joints.narrow(0, clip, 1);
      const ModelOutput alone = model->forward(one, evaluation_context());
      for (const auto& [name, value] : alone.signature) {
        EXPECT_LT(largest_difference(together.signature.at(name).narrow(0, clip, 1), value), 1e-9)
            << settings << name;
      }
      for (const auto& [name, value] : alone.logits) {
        EXPECT_LT(largest_difference(together.logits.at(name).narrow(0, clip, 1), value), 1e-9)
            << settings << name;
      }
    }
  }
}

TEST(FramePortionsTest, PortionsFollowEachOtherOutsideTrainingAlone) {
  const at::Tensor images = at::arange(150, at::kDouble).view({150, 1});
  std::vector<int64_t> sizes;
  const auto note_and_double = [&](const ImageTensors& some) {
    sizes.push_back(some[0].size(0));
    EXPECT_TRUE(same_values(some[0], -some[1]));
    return ImageTensors{2 * some[0], at::Tensor(), some[1].squeeze(1)};
  };
  ImageTensors results = in_portions({images, -images}, evaluation_context(), note_and_double);
  EXPECT_EQ(sizes, (std::vector<int64_t>{64, 64, 22}));
  EXPECT_TRUE(same_values(results[0], 2 * images));
  EXPECT_FALSE(results[1].defined());
  EXPECT_TRUE(same_values(results[2], -images.squeeze(1)));
  sizes.clear();
  in_portions({images, -images}, training_context({}), note_and_double);
  in_portions({images.narrow(0, 0, 0), images.narrow(0, 0, 0)}, evaluation_context(),
              note_and_double);
  EXPECT_EQ(sizes, (std::vector<int64_t>{150, 0}));
}

}  // namespace
}  // namespace muster::models
