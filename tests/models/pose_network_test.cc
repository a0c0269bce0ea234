#include <ATen/ATen.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "common/error.h"
#include "models/losses/heat_map_loss.h"
#include "models/model_catalog.h"
#include "models/pose_network/network.h"
#include "tests/common/support.h"
#include "tests/models/naive_pose_network.h"
#include "tests/models/random_weights.h"

namespace muster::models {
namespace {

proto::Model pose_settings(const std::string& settings) {
  proto::Model options;
  const std::string text = "pose_network { " + settings + " }";
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &options)) << text;
  return options;
}

proto::Model small_pose_network() {
  return pose_settings("width: 0.0625 input_size: 64 deconvolution_channels: 6");
}

std::unique_ptr<Model> random_pose_network(const proto::Model& options = small_pose_network()) {
  auto model = create_pose_network(options, 7, 1);
  model->to(at::kDouble);
  randomise_weights(weights_of(*model));
  return model;
}

ModelInput pose_input(int64_t clips, int64_t frames, int64_t size = 64) {
  ModelInput input;
  input.clips = normal_tensor({clips, frames, 3, size, size}, 1);
  input.joints = normal_tensor({clips, frames, 14, 3}, 2) * 9 + static_cast<double>(size) / 2;
  input.joints.select(3, 2).fill_(1);
  return input;
}

TEST(PoseNetworkTest, HeatMapsEqualPlainLoops) {
  const auto model = random_pose_network();
  const ModelInput input = pose_input(2, 2);
  const at::Tensor maps = model->forward(input, evaluation_context()).signature.at("heat_maps");
  ASSERT_EQ(maps.sizes(), (std::vector<int64_t>{2, 2, 14, 16, 16}));
  const naive::Weights weights = naive::weights_of(weights_of(*model));
  for (int64_t clip = 0; clip < 2; ++clip) {
    for (int64_t frame = 0; frame < 2; ++frame) {
      const at::Tensor expected =
          naive::tensor_of(naive::heat_maps(naive::maps_of(input.clips[clip][frame]), weights));
      EXPECT_LT(largest_difference(maps[clip][frame], expected), 1e-10);
      EXPECT_GT(expected.std().item<double>(), 0.01);
    }
  }
}

TEST(PoseNetworkTest, JointsAreThePeaksInPixelsOfTheInput) {
  const auto model = random_pose_network();
  const ModelOutput output = model->forward(pose_input(2, 2), evaluation_context());
  const at::Tensor& joints = output.signature.at("joints");
  const at::Tensor& maps = output.signature.at("heat_maps");
  ASSERT_EQ(joints.sizes(), (std::vector<int64_t>{2, 2, 14, 3}));
  for (int64_t joint = 0; joint < 14; ++joint) {
    const at::Tensor map = maps[1][0][joint], found = joints[1][0][joint];
    const int64_t best = map.flatten().argmax().item<int64_t>();
    // Pixel p of the map covers the input's pixels 4 p to 4 p + 3; refinement moves by at most 2.
    EXPECT_NEAR(found[0].item<double>(), 1.5 + 4 * static_cast<double>(best % 16), 2 + 1e-9);
    EXPECT_NEAR(found[1].item<double>(), 1.5 + 4 * static_cast<double>(best / 16), 2 + 1e-9);
    EXPECT_EQ(found[2].item<double>(), map.max().clamp(0, 1).item<double>());
  }
  EXPECT_FALSE(joints.requires_grad());
}

TEST(PoseNetworkTest, TargetsAreTheInputsJointsInPixelsOfTheMaps) {
  const auto model = random_pose_network();
  ModelInput input = pose_input(1, 1);
  const JointTargets targets = model->forward(input, evaluation_context()).targets;
  EXPECT_EQ(targets.deviation, 1.5);
  EXPECT_EQ(targets.input_pixels, 4);
  const at::Tensor expected = (input.joints.narrow(3, 0, 2) - 1.5) / 4;
  EXPECT_LT(largest_difference(targets.joints.narrow(3, 0, 2), expected), 1e-12);
  EXPECT_TRUE(same_values(targets.joints.select(3, 2), input.joints.select(3, 2)));
  input.joints = at::Tensor();
  EXPECT_FALSE(model->forward(input, evaluation_context()).targets.joints.defined());
}

TEST(PoseNetworkTest, GradientsEqualFiniteDifferences) {
  const auto model =
      random_pose_network(pose_settings("width: 0.03125 input_size: 32 deconvolution_channels: 3"));
  const ModelInput input = pose_input(2, 2, 32);
  NamedTensors parameters;
  for (const auto& [name, value] : model->parameters()) {
    const bool backbone = name.find("backbone") == 0;
    if (!backbone || name.find("conv1") != std::string::npos ||
        name.find("4b.double.1") != std::string::npos) {
      parameters.emplace_back(name, value);
    }
  }
  EXPECT_EQ(parameters.size(), 14U);
  expect_derivatives(parameters, [&] {
    const ModelOutput output = model->forward(input, training_context({8, 9}));
    return heat_map_loss(output.signature.at("heat_maps"), output.targets).sum;
  });
}

class PosePeerHasThree : public StatisticsExchange {
 public:
  at::Tensor sum(const at::Tensor& local) override { return local + 3; }
  bool alone() const override { return false; }
};

TEST(PoseNetworkTest, NoClipsGiveEmptyAnswersAndZeroGradients) {
  const auto model = random_pose_network();
  PosePeerHasThree peer;
  ForwardContext context = training_context({});
  context.statistics = &peer;
  const ModelOutput output = model->forward(pose_input(0, 3), context);
  EXPECT_EQ(output.signature.at("heat_maps").sizes(), (std::vector<int64_t>{0, 3, 14, 16, 16}));
  EXPECT_EQ(output.signature.at("joints").sizes(), (std::vector<int64_t>{0, 3, 14, 3}));
  const LossTerm term = heat_map_loss(output.signature.at("heat_maps"), output.targets);
  EXPECT_EQ(term.count, 0);
  term.sum.backward();
  for (const auto& [name, value] : model->parameters()) {
    ASSERT_TRUE(value.grad().defined()) << name;
    EXPECT_EQ(value.grad().nan_to_num(1).abs().max().item<double>(), 0) << name;
  }
}

TEST(PoseNetworkTest, FramesAreJudgedByThemselves) {
  const auto model = random_pose_network();
  const ModelInput both = pose_input(1, 2);
  ModelInput second;
  second.clips = both.clips.narrow(1, 1, 1);
  const at::Tensor maps = model->forward(both, evaluation_context()).signature.at("heat_maps");
  const at::Tensor alone = model->forward(second, evaluation_context()).signature.at("heat_maps");
  EXPECT_LT(largest_difference(maps[0][1], alone[0][0]), 1e-12);
}

TEST(PoseNetworkTest, HasTheParametersOfItsLayers) {
  const PoseNet network{proto::PoseNetwork()};
  const NamedTensors tensors = tensors_of(network);
  int64_t trained = 0;
  for (const auto& item : network.named_parameters()) trained += item.value().numel();
  EXPECT_EQ(element_count(tensors, "deconvolution1.conv"), 576 * 256 * 16);
  EXPECT_EQ(element_count(tensors, "deconvolution2.conv"), 256 * 256 * 16);
  EXPECT_EQ(element_count(tensors, "heat_maps"), 256 * 14 + 14);
  const int64_t backbone = element_count(tensors_of(BnInceptionLow(1)));
  int64_t running = 0;
  for (const auto& item : BnInceptionLow(1).named_buffers()) running += item.value().numel();
  EXPECT_EQ(trained, 5676878);
  EXPECT_EQ(trained, backbone - running + (576 + 256) * 256 * 16 + 4 * 256 + 256 * 14 + 14);
}

TEST(PoseNetworkTest, FirstWeightsAreAFunctionOfTheSeedAndMapsStartNearZero) {
  const auto first = create_pose_network(small_pose_network(), 0, 3);
  const auto again = create_pose_network(small_pose_network(), 9, 3);
  const auto other = create_pose_network(small_pose_network(), 0, 4);
  const NamedTensors left = first->parameters(), right = again->parameters(),
                     third = other->parameters();
  ASSERT_EQ(left.size(), right.size());  // no classifier
  for (size_t i = 0; i < left.size(); ++i) {
    EXPECT_TRUE(same_values(left[i].second, right[i].second)) << left[i].first;
    const bool drawn = left[i].second.dim() == 4;
    EXPECT_EQ(same_values(left[i].second, third[i].second), !drawn) << left[i].first;
  }
  first->to(at::kDouble);
  const at::Tensor maps =
      first->forward(pose_input(2, 2), training_context({1, 2})).signature.at("heat_maps");
  EXPECT_LT(maps.abs().max().item<double>(), 0.1);
  EXPECT_GT(maps.std().item<double>(), 1e-5);
}

// He's normal of what comes in; 4000 weights give a deviation to 1.1 %.
TEST(PoseNetworkTest, FirstWeightsHaveTheStatedDeviations) {
  const auto model = create_pose_network(pose_settings("width: 0.5"), 0, 1);
  int unequal = 0;
  for (const auto& [name, value] : model->parameters()) {
    if (value.dim() == 1 || value.numel() < 4000) continue;
    double expected = name == "heat_maps.weight" ? 0.001 : 0.01;
    if (name.find("backbone.") == 0) {
      expected =
          std::sqrt(2.0 * static_cast<double>(value.size(0)) / static_cast<double>(value.numel()));
      const double ratio = static_cast<double>(value.size(0)) / static_cast<double>(value.size(1));
      unequal += ratio < 0.8 || ratio > 1.25;
    }
    EXPECT_NEAR(value.std().item<double>() / expected, 1, 0.05) << name;
  }
  EXPECT_GT(unequal, 15);
}

TEST(PoseNetworkTest, ComparesNobody) {
  const auto model = random_pose_network();
  const Signature signature = model->forward(pose_input(1, 1), evaluation_context()).signature;
  const std::string text =
      common::failure_text<common::InputError>([&] { model->distance(signature, signature); });
  EXPECT_TRUE(common::contains(text, "network pose_network")) << text;
  EXPECT_TRUE(common::contains(text, "no distance")) << text;
  for (const auto& [name, value] : signature) EXPECT_FALSE(model->scores(name)) << name;
  EXPECT_THROW(require_distance(small_pose_network()), common::InputError);
  proto::Model stsrn;
  stsrn.mutable_stsrn();
  EXPECT_NO_THROW(require_distance(stsrn));
}

TEST(PoseNetworkTest, WantsJointsInTrainingAlone) {
  const InputFormat format = create_pose_network(small_pose_network(), 0, 1)->input_format();
  EXPECT_FALSE(format.joints);
  EXPECT_TRUE(format.learns_joints);
  EXPECT_FALSE(format.flow);
  EXPECT_EQ(format.resize_height, 64);
  EXPECT_EQ(format.crop_width, 64);
  EXPECT_TRUE(format.fixed_normalisation);
}

TEST(PoseNetworkTest, RefusesSettingsOutOfRangeByName) {
  const auto refused = [](const std::string& field, const std::string& settings) {
    const std::string text = common::failure_text<common::InputError>(
        [&] { create_pose_network(pose_settings(settings), 0, 1); });
    EXPECT_TRUE(common::contains(text, "model.pose_network." + field)) << settings << ": " << text;
  };
  refused("width", "width: 0");
  refused("width", "width: nan");
  refused("input_size", "input_size: 100");
  refused("input_size", "input_size: 0");
  refused("deconvolution_channels", "deconvolution_channels: 0");
  refused("heat_map_deviation", "heat_map_deviation: 0");
  refused("heat_map_deviation", "heat_map_deviation: nan");
  // Allowed by themselves, but not the layers that they make.
  refused("deconvolution_channels: makes a layer of more than", "deconvolution_channels: 11586");
  refused("deconvolution_channels: with width makes a layer of more than",
          "deconvolution_channels: 16384 width: 16");
}

}  // namespace
}  // namespace muster::models
