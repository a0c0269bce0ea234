#include "models/stal/auxiliary_head.h"

#include <ATen/ATen.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "common/error.h"
#include "models/model_catalog.h"
#include "tests/common/support.h"
#include "tests/models/naive_layers.h"
#include "tests/models/random_weights.h"

namespace muster::models {
namespace {

// Windows of 5, a step of 3; of maps below 5x5 the mean over all places.
naive::Maps naive_mean_pool(const naive::Maps& in) {
  const bool small = in.height < 5;
  const int64_t kernel = small ? in.height : 5, side = small ? 1 : (in.height - 5) / 3 + 1;
  naive::Maps out(in.channels, side, side);
  for (int64_t c = 0; c < in.channels; ++c) {
    for (int64_t y = 0; y < side; ++y) {
      for (int64_t x = 0; x < side; ++x) {
        double sum = 0;
        for (int64_t i = 0; i < kernel * kernel; ++i) {
          sum += in.zero_padded(c, 3 * y + i / kernel, 3 * x + i % kernel);
        }
        out.at(c, y, x) = sum / static_cast<double>(kernel * kernel);
      }
    }
  }
  return out;
}

naive::Values naive_head(const at::Tensor& image, const naive::Weights& weights) {
  const naive::Maps reduced = naive::rectified(naive::batch_norm(
      naive::convolution(naive_mean_pool(naive::maps_of(image)), weights, "conv.conv", 1, 1, 0),
      weights, "conv.bn", 1e-5));
  naive::Values hidden = naive::linear(reduced.values, weights, "fc");
  for (double& value : hidden) value = std::max(0.0, value);
  return naive::linear(hidden, weights, "classifier");
}

TEST(AuxiliaryHeadTest, EqualsPlainLoops) {
  for (const int64_t side : {2, 5, 9, 14}) {
    AuxiliaryHead head(6, side, 0.03125, 7);
    head.to(at::kDouble);
    randomise_weights(tensors_of(head));
    const naive::Weights weights = naive::weights_of(tensors_of(head));
    for (const int64_t images : {0, 1, 3}) {
      const at::Tensor maps = normal_tensor({images, 6, side, side}, 5);
      const at::Tensor scores = head.forward(maps, evaluation_context());
      ASSERT_EQ(scores.sizes(), (std::vector<int64_t>{images, 7}));
      for (int64_t i = 0; i < images; ++i) {
        const at::Tensor expected = at::tensor(naive_head(maps[i], weights), at::kDouble);
        EXPECT_LT(largest_difference(scores[i], expected), 1e-10) << side;
      }
    }
  }
}

TEST(AuxiliaryHeadTest, GradientsAreThoseOfFiniteDifferences) {
  AuxiliaryHead head(4, 9, 0.03125, 3);
  head.to(at::kDouble);
  randomise_weights(tensors_of(head));
  const at::Tensor maps = normal_tensor({3, 4, 9, 9}, 6);
  NamedTensors parameters;
  for (const auto& item : head.named_parameters())
    parameters.emplace_back(item.key(), item.value());
  expect_derivatives(parameters,
                     [&] { return head.forward(maps, training_context({1})).square().sum(); });
}

proto::Model small_stal_with_heads(const std::string& further = "") {
  proto::Model options;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
      "stal { width: 0.0625 input_size: 64 auxiliary_heads: true " + further + " }", &options));
  return options;
}

TEST(AuxiliaryHeadTest, StalScoresEveryFrameByBoth) {
  const auto model = create_stal(small_stal_with_heads("branches: GLOBAL_BRANCH"), 5, 1);
  ModelInput input;
  input.clips = normal_tensor({2, 3, 3, 64, 64}, 1, at::kFloat);
  const ModelOutput output = model->forward(input, training_context({1, 2}));
  at::Tensor sum = at::zeros({});
  for (const char* head : {"auxiliary_early", "auxiliary_late"}) {
    ASSERT_EQ(output.logits.at(head).sizes(), (std::vector<int64_t>{2, 3, 5})) << head;
    sum = sum + output.logits.at(head).square().sum();
  }
  sum.backward();
  for (const auto& [name, value] : model->parameters()) {
    const bool early = name.find("backbone.inception3a") == 0;
    if (!early && name.find("auxiliary") != 0) continue;
    EXPECT_TRUE(value.grad().defined()) << name;
  }
  EXPECT_TRUE(create_stal(small_stal_with_heads(), 0, 1)
                  ->forward(input, evaluation_context())
                  .logits.empty());
}

TEST(AuxiliaryHeadTest, StalWithoutTheBlocksRefusesThem) {
  for (const char* further : {"branches: PART_BRANCH", "backbone: RESNET50 pool_parts: true"}) {
    const std::string text = common::failure_text<common::InputError>(
        [&] { create_stal(small_stal_with_heads(further), 5, 1); });
    EXPECT_TRUE(common::contains(text, "model.stal.auxiliary_heads")) << text;
  }
}

}  // namespace
}  // namespace muster::models
