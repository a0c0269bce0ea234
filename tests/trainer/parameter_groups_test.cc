#include "trainer/parameter_groups.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>

#include "common/error.h"
#include "tests/common/support.h"

namespace muster::trainer {
namespace {

const std::vector<std::string> kNames = {"backbone.conv1.weight", "backbone.conv1.bias",
                                         "backbone.conv10.weight", "head.weight", "head.bias"};

models::NamedTensors parameters() {
  models::NamedTensors named;
  for (const std::string& name : kNames) named.emplace_back(name, at::zeros({1}));
  return named;
}

void add(proto::Optimizer& settings, const std::string& prefix, const std::string& suffix,
         double rate, double decay = 1) {
  proto::ParameterGroup& group = *settings.add_group();
  group.set_prefix(prefix);
  group.set_suffix(suffix);
  group.set_learning_rate_factor(rate);
  group.set_weight_decay_factor(decay);
}

std::vector<double> rates(const proto::Optimizer& settings) {
  std::vector<double> all;
  for (const GroupFactors& factors : group_factors(settings, parameters())) {
    all.push_back(factors.learning_rate);
  }
  return all;
}

using Rates = std::vector<double>;

TEST(ParameterGroupsTest, WithoutGroupsAllFactorsAreOne) {
  EXPECT_EQ(rates({}), (Rates{1, 1, 1, 1, 1}));
}

TEST(ParameterGroupsTest, APrefixIsWholeWords) {
  proto::Optimizer settings;
  add(settings, "backbone.conv1", "", 0.5);
  EXPECT_EQ(rates(settings), (Rates{0.5, 0.5, 1, 1, 1}));
}

TEST(ParameterGroupsTest, TheLongestPrefixWinsInAnyOrder) {
  proto::Optimizer settings;
  add(settings, "backbone", "", 0.1);
  add(settings, "backbone.conv1", "", 0.5);
  add(settings, "", "", 2);
  EXPECT_EQ(rates(settings), (Rates{0.5, 0.5, 0.1, 2, 2}));
}

TEST(ParameterGroupsTest, APrefixMayBeAWholeName) {
  proto::Optimizer settings;
  add(settings, "head.weight", "", 0);
  EXPECT_EQ(rates(settings), (Rates{1, 1, 1, 0, 1}));
}

TEST(ParameterGroupsTest, ASuffixReachesBiases) {
  proto::Optimizer settings;
  add(settings, "", "bias", 2, 0);
  EXPECT_EQ(rates(settings), (Rates{1, 2, 1, 1, 2}));
  EXPECT_EQ(group_factors(settings, parameters())[1].weight_decay, 0);
  EXPECT_EQ(group_factors(settings, parameters())[0].weight_decay, 1);
}

TEST(ParameterGroupsTest, ASuffixIsWholeWords) {
  proto::Optimizer settings;
  add(settings, "", "ias", 2);
  EXPECT_TRUE(common::contains(
      common::failure_text<common::InputError>([&] { rates(settings); }),
      "training.optimizer.group[0].suffix: no parameter's name ends with 'ias'; did you mean "
      "'bias'?"));
}

TEST(ParameterGroupsTest, PrefixesGoBeforeSuffixes) {
  proto::Optimizer settings;
  add(settings, "", "bias", 2);
  add(settings, "backbone", "", 0.1);
  add(settings, "backbone", "bias", 0.2);
  EXPECT_EQ(rates(settings), (Rates{0.1, 0.2, 0.1, 1, 2}));
}

void expect_refused(const proto::Optimizer& settings, const std::string& expected) {
  const std::string text =
      common::failure_text<common::InputError>([&] { group_factors(settings, parameters()); });
  EXPECT_TRUE(common::contains(text, expected)) << text;
}

TEST(ParameterGroupsTest, APrefixOfNothingNamesTheNearest) {
  proto::Optimizer settings;
  add(settings, "head", "", 2);
  add(settings, "backbon.conv1", "", 0.1);
  expect_refused(settings,
                 "training.optimizer.group[1].prefix: no parameter's name begins with "
                 "'backbon.conv1'; did you mean 'backbone.conv1'?");
}

TEST(ParameterGroupsTest, APrefixLikeNothingNamesTheModules) {
  proto::Optimizer settings;
  add(settings, "localisation", "", 2);
  expect_refused(settings, "known: backbone, head");
}

TEST(ParameterGroupsTest, RefusesAPrefixAndASuffixThatNeverMeet) {
  proto::Optimizer settings;
  add(settings, "backbone.conv10", "bias", 2);
  expect_refused(settings, "training.optimizer.group[0]: no parameter's name both");
}

TEST(ParameterGroupsTest, RefusesTheSameGroupTwice) {
  proto::Optimizer settings;
  add(settings, "head", "", 2);
  add(settings, "head", "", 3);
  expect_refused(settings, "training.optimizer.group[1]: is of the same");
}

TEST(ParameterGroupsTest, RefusesFactorsOutOfRange) {
  for (const double bad : {-1.0, std::numeric_limits<double>::infinity()}) {
    proto::Optimizer rate, decay;
    add(rate, "head", "", bad);
    add(decay, "head", "", 1, bad);
    expect_refused(rate, "training.optimizer.group[0].learning_rate_factor: ");
    expect_refused(decay, "training.optimizer.group[0].weight_decay_factor: ");
  }
}

}  // namespace
}  // namespace muster::trainer
