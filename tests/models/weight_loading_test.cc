#include "models/weight_loading.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "common/error.h"
#include "tests/common/support.h"
#include "tests/models/support.h"

namespace muster::models {
namespace {

using common::contains;
using common::failure_text;
using common::InputError;
using Values = std::map<std::string, at::Tensor>;

std::string refusal(const NamedTensors& weights, const Values& values,
                    Loading loading = Loading::kStrict) {
  std::string text =
      failure_text<InputError>([&] { load_weights(weights, values, loading, "some.safetensors"); });
  EXPECT_TRUE(contains(text, "some.safetensors: ")) << text;
  EXPECT_EQ(text.find('\n'), std::string::npos) << text;
  return text;
}

TEST(WeightLoadingTest, CopiesByName) {
  const NamedTensors weights = {{"a", at::zeros({2}).requires_grad_()}, {"b", at::zeros({1})}};
  const WeightReport report = load_weights(weights, {{"b", at::ones({1})}, {"a", at::full({2}, 3)}},
                                           Loading::kPartial, "file");
  EXPECT_EQ(weights[1].second.item<float>(), 1);
  EXPECT_EQ(report.loaded, std::vector<std::string>{"b"});  // 'a' holds whole numbers there
  load_weights(weights, {{"b", at::ones({1})}, {"a", at::full({2}, 3.0)}}, Loading::kStrict,
               "file");
  EXPECT_TRUE(same_values(weights[0].second, at::full({2}, 3.0)));
}

TEST(WeightLoadingTest, ConvertsToTheWeightsPrecision) {
  const NamedTensors weights = {{"a", at::zeros({2}, at::kDouble)}};
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16, at::kDouble}) {
    weights[0].second.zero_();
    load_weights(weights, {{"a", at::full({2}, 0.5, type)}}, Loading::kStrict, "file");
    EXPECT_EQ(weights[0].second.scalar_type(), at::kDouble);
    EXPECT_EQ(weights[0].second[1].item<double>(), 0.5);
  }
}

TEST(WeightLoadingTest, ValuesBeyondTheWeightsPrecisionAreRefusedByName) {
  const NamedTensors weights = {{"near", at::zeros({2})}, {"far", at::zeros({2})}};
  for (const double value : {1e300, -3.5e38}) {
    const std::string text = refusal(weights, {{"near", at::ones({2}, at::kDouble)},
                                               {"far", at::full({2}, value, at::kDouble)}});
    EXPECT_TRUE(contains(text, "tensor 'far' holds values beyond the range of Float")) << text;
    EXPECT_EQ(weights[0].second.sum().item<float>(), 0);  // nothing is changed
  }
  load_weights(weights,
               {{"near", at::ones({2}, at::kDouble)}, {"far", at::full({2}, 3e38, at::kDouble)}},
               Loading::kStrict, "file");
}

TEST(WeightLoadingTest, ListsAllThatDoesNotFit) {
  const NamedTensors weights = {
      {"gone", at::zeros({1})}, {"odd", at::zeros({2, 3})}, {"whole", at::zeros({1})}};
  const std::string text = refusal(
      weights,
      {{"odd", at::ones({3, 2})}, {"extra", at::ones({1})}, {"whole", at::ones({1}, at::kLong)}});
  for (const char* part :
       {"'gone' is missing", "'odd' is [3, 2] in the file, [2, 3] in the network",
        "'whole' has type Long in the file, Float in the network", "'extra' belongs to no"}) {
    EXPECT_TRUE(contains(text, part)) << text;
  }
}

TEST(WeightLoadingTest, AnotherNetworksFileIsRefusedInAFewNames) {
  NamedTensors weights;
  Values values;
  for (int i = 0; i < 300; ++i) {
    weights.emplace_back("mine." + std::to_string(i), at::zeros({1}));
    values["other." + std::to_string(i)] = at::zeros({1});
  }
  const std::string text = refusal(weights, values);
  EXPECT_TRUE(contains(text, "and 592 more")) << text;
  EXPECT_LT(text.size(), 500u);
}

TEST(WeightLoadingTest, ChangesNothingWhenSomethingDoesNotFit) {
  const NamedTensors weights = {{"good", at::zeros({1})}, {"missing", at::zeros({1})}};
  refusal(weights, {{"good", at::ones({1})}});
  EXPECT_EQ(weights[0].second.item<float>(), 0);
}

TEST(WeightLoadingTest, PartialLoadingTakesWhatFitsAndSaysTheRest) {
  const NamedTensors weights = {
      {"trunk", at::zeros({2})}, {"classifier", at::zeros({5, 2})}, {"new", at::ones({1})}};
  const WeightReport report = load_weights(
      weights,
      {{"trunk", at::ones({2})}, {"classifier", at::ones({1000, 2})}, {"old", at::zeros({1})}},
      Loading::kPartial, "file");
  EXPECT_TRUE(same_values(weights[0].second, at::ones({2})));
  EXPECT_TRUE(same_values(weights[1].second, at::zeros({5, 2})));
  EXPECT_TRUE(same_values(weights[2].second, at::ones({1})));
  EXPECT_EQ(report.text(),
            "1 loaded, 1 not fitting, 1 not in the file, 1 not in the network\n"
            "not fitting: classifier is [1000, 2] in the file, [5, 2] in the network\n"
            "not in the file: new\n"
            "not in the network: old\n");
}

TEST(WeightLoadingTest, PartialLoadingRefusesAFileOfWhichLessThanATenthFits) {
  const NamedTensors weights = {{"classifier.bias", at::zeros({4})}, {"own", at::zeros({1})}};
  Values values = {{"classifier.bias", at::ones({4})}, {"bn.num_batches_tracked", at::zeros({})}};
  for (int i = 0; i < 9; ++i) values["other." + std::to_string(i)] = at::zeros({1});
  EXPECT_EQ(load_weights(weights, values, Loading::kPartial, "file").loaded.size(), 1u);
  weights[0].second.zero_();
  values["own"] = at::zeros({2});
  EXPECT_EQ(refusal(weights, values, Loading::kPartial),
            "some.safetensors: 1 of 11 tensors fit; it is of another network");
  EXPECT_TRUE(same_values(weights[0].second, at::zeros({4})));
  EXPECT_EQ(refusal(weights, {{"foreign", at::ones({1})}}, Loading::kPartial),
            "some.safetensors: 0 of 1 tensors fit; it is of another network");
  EXPECT_EQ(refusal(weights, {}, Loading::kPartial),
            "some.safetensors: 0 of 0 tensors fit; it is of another network");
}

TEST(WeightLoadingTest, AReportNamesTheFirstEightOfEveryKind) {
  WeightReport report;
  for (int i = 0; i < 8; ++i) report.missing.push_back("m" + std::to_string(i));
  for (int i = 0; i < 10; ++i) {
    report.not_fitting.push_back({"f" + std::to_string(i), "is [1]"});
    report.unused.push_back("u" + std::to_string(i));
  }
  const std::string text = report.text();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1 + 8 + 9 + 9) << text;
  for (const char* part : {"not fitting: f7 is [1]\nnot fitting: and 2 more\nnot in the file: m0\n",
                           "not in the file: m7\nnot in the network: u0\n",
                           "not in the network: u7\nnot in the network: and 2 more\n"}) {
    EXPECT_TRUE(contains(text, part)) << text;
  }
}

TEST(WeightLoadingTest, TorchsCountersArePassedOver) {
  const NamedTensors weights = {{"bn.weight", at::zeros({2})}};
  const Values values = {{"bn.weight", at::ones({2})},
                         {"bn.num_batches_tracked", at::zeros({}, at::kLong)}};
  EXPECT_TRUE(load_weights(weights, values, Loading::kStrict, "file").unused.empty());
  Values other = values;
  other["bn.renum_batches_tracked"] = at::zeros({1});
  EXPECT_TRUE(contains(refusal(weights, other), "'bn.renum_batches_tracked' belongs to no"));
}

TEST(WeightLoadingTest, ValuesThatAreNotFiniteAreRefusedByName) {
  const NamedTensors weights = {{"a", at::zeros({2})}, {"b", at::zeros({2})}};
  for (const double value :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    const at::Tensor bad = at::tensor({1.0, value});
    for (const Loading loading : {Loading::kStrict, Loading::kPartial}) {
      const std::string text = refusal(weights, {{"a", at::ones({2})}, {"b", bad}}, loading);
      EXPECT_TRUE(contains(text, "tensor 'b' holds values that are not finite")) << text;
      EXPECT_EQ(weights[0].second.sum().item<float>(), 0);
    }
  }
}

TEST(WeightLoadingTest, ANetworkWithoutWeightsTakesAnEmptyFile) {
  EXPECT_TRUE(load_weights({}, {}, Loading::kPartial, "file").loaded.empty());
}

}  // namespace
}  // namespace muster::models
