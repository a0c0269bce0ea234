#include "models/stal/auxiliary_head.h"

#include <ATen/ATen.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "models/model_catalog.h"
#include "tests/common/support.h"
#include "tests/models/naive_auxiliary_head.h"
#include "tests/models/random_weights.h"

namespace muster::models {
namespace {

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
        const at::Tensor expected =
            at::tensor(naive::auxiliary_head(naive::maps_of(maps[i]), weights, ""), at::kDouble);
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
