// KISSME and XQDA beside numpy's answers (metric_learning_reference.py), and what they refuse.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "common/atomic_file.h"
#include "common/error.h"
#include "models/metric_learning/kissme.h"
#include "models/metric_learning/xqda.h"
#include "tests/common/support.h"
#include "tests/models/support.h"

namespace muster::models {
namespace {

using common::contains;
using common::failure_text;
using common::InputError;
using nlohmann::json;

json reference_cases(const std::string& learner) {
  const std::string path = MUSTER_SOURCE_DIR "/tests/models/metric_learning_reference.json";
  return json::parse(common::read_file(path)).at(learner);
}

at::Tensor matrix_of(const json& rows) {
  std::vector<double> values;
  for (const json& row : rows) {
    for (const json& value : row) values.push_back(value.get<double>());
  }
  return at::tensor(values, at::kDouble).view({static_cast<int64_t>(rows.size()), -1});
}

void expect_numpys_distances(const LearnedMetric& metric, const json& example) {
  const at::Tensor distance =
      metric_distance(coordinates(metric, matrix_of(example.at("queries"))),
                      coordinates(metric, matrix_of(example.at("gallery"))));
  const at::Tensor expected = matrix_of(example.at("distances"));
  ASSERT_EQ(distance.sizes(), expected.sizes());
  EXPECT_LT(((distance - expected).abs() / expected.abs()).max().item<double>(), 1e-8);
}

LabelledVectors view_of(const json& example, const std::string& name) {
  const auto rows = example.at(name).get<std::vector<int64_t>>();
  LabelledVectors view;
  view.vectors = matrix_of(example.at("vectors")).index_select(0, at::tensor(rows, at::kLong));
  for (const int64_t row : rows) {
    const auto index = static_cast<size_t>(row);
    view.identity.push_back(example.at("identity")[index].get<int32_t>());
    if (!example.at("camera").empty()) {
      view.camera.push_back(example.at("camera")[index].get<int32_t>());
    }
  }
  return view;
}

TEST(KissmeTest, IsWhatNumpySays) {
  for (const json& example : reference_cases("kissme")) {
    SCOPED_TRACE(example.at("name").get<std::string>());
    const TrainingPairs pairs = {matrix_of(example.at("same")).to(at::kLong),
                                 matrix_of(example.at("different")).to(at::kLong)};
    const LearnedMetric metric = learn_kissme(matrix_of(example.at("vectors")), pairs,
                                              example.at("dimensions").get<int64_t>(), "file");
    EXPECT_EQ(metric.plus.size(1), example.at("dimensions").get<int64_t>());
    EXPECT_EQ(metric.minus.size(1), 0);
    expect_numpys_distances(metric, example);
  }
}

TEST(XqdaTest, IsWhatNumpySays) {
  for (const json& example : reference_cases("xqda")) {
    SCOPED_TRACE(example.at("name").get<std::string>());
    XqdaSettings settings;
    settings.lambda = example.at("regularisation").get<double>();
    settings.dimensions = example.at("dimensions").get<int64_t>();
    const LearnedMetric metric =
        learn_xqda(view_of(example, "first"), view_of(example, "second"), settings, "file");
    EXPECT_EQ(metric.plus.size(1) + metric.minus.size(1), example.at("kept").get<int64_t>());
    expect_numpys_distances(metric, example);
  }
}

// 12 tracklets of 4 persons under cameras 0, 1, 2 in turn.
struct SmallWorld {
  std::vector<int32_t> identity{0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3};
  std::vector<int32_t> camera{0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2};
  at::Tensor vectors = normal_tensor({12, 3}, 1);
  TrainingPairs pairs = cross_camera_pairs(identity, camera, 1, 1, "file");
  LabelledVectors view(bool second) const {
    const TrainingViews views = half_views(identity, 1);
    const std::vector<int64_t>& rows = second ? views.second : views.first;
    LabelledVectors result{vectors.index_select(0, at::tensor(rows, at::kLong)), {}, {}};
    for (const int64_t row : rows) {
      result.identity.push_back(identity[static_cast<size_t>(row)]);
      result.camera.push_back(camera[static_cast<size_t>(row)]);
    }
    return result;
  }
};

std::string kissme_refusal(const at::Tensor& vectors, const TrainingPairs& pairs,
                           int64_t dimensions = 200) {
  return failure_text<InputError>([&] { learn_kissme(vectors, pairs, dimensions, "some.h5"); });
}

std::string xqda_refusal(const LabelledVectors& first, const LabelledVectors& second,
                         const XqdaSettings& settings = {}) {
  return failure_text<InputError>([&] { learn_xqda(first, second, settings, "some.h5"); });
}

TEST(KissmeTest, KeepsNoMoreComponentsThanTheVectorsSpan) {
  const SmallWorld world;
  const at::Tensor flat = at::cat({world.vectors, world.vectors.slice(1, 0, 2)}, 1);
  EXPECT_EQ(learn_kissme(flat, world.pairs, 200, "file").plus.size(1), 3);
}

TEST(KissmeTest, AFeatureThatNeverChangesDoesNotCount) {
  const SmallWorld world;
  const at::Tensor wider = at::cat({world.vectors, at::full({12, 1}, 7.0, at::kDouble)}, 1);
  const auto distances = [&](const at::Tensor& vectors) {
    const LearnedMetric metric = learn_kissme(vectors, world.pairs, 200, "file");
    return metric_distance(coordinates(metric, vectors), coordinates(metric, vectors));
  };
  EXPECT_LT(largest_difference(distances(wider), distances(world.vectors)), 1e-9);
}

TEST(KissmeTest, FewerPairsThanDimensionsAreRefused) {
  const SmallWorld world;
  const TrainingPairs few = {world.pairs.same.slice(0, 0, 2), world.pairs.different};
  const std::string text = kissme_refusal(world.vectors, few);
  EXPECT_TRUE(contains(text, "some.h5: the 2 pairs of one person span only 2 of 3 dimensions"))
      << text;
  const TrainingPairs few_different = {world.pairs.same, world.pairs.different.slice(0, 0, 2)};
  EXPECT_TRUE(contains(kissme_refusal(world.vectors, few_different), "pairs of two persons"));
  EXPECT_EQ(learn_kissme(world.vectors, few, 2, "file").plus.size(1), 2);
}

TEST(KissmeTest, PersonsWhoseVectorsNeverChangeAreRefused) {
  const SmallWorld world;
  const at::Tensor own = world.vectors.slice(0, 0, 4).repeat_interleave(3, 0);
  EXPECT_TRUE(contains(kissme_refusal(own, world.pairs), "span only 0 of"));
}

TEST(KissmeTest, NoPairsAreRefused) {
  const SmallWorld world;
  const at::Tensor none = at::empty({0, 2}, at::kLong);
  EXPECT_TRUE(contains(kissme_refusal(world.vectors, {none, world.pairs.different}),
                       "no pairs of one person"));
  EXPECT_TRUE(
      contains(kissme_refusal(world.vectors, {world.pairs.same, none}), "no pairs of two persons"));
}

TEST(MetricLearningTest, ConstantVectorsAreRefused) {
  SmallWorld world;
  world.vectors = at::full({12, 3}, 0.1, at::kDouble);
  const std::string expected = "some.h5: has no two different vectors";
  EXPECT_TRUE(contains(kissme_refusal(world.vectors, world.pairs), expected));
  EXPECT_TRUE(contains(xqda_refusal(world.view(false), world.view(true)), expected));
}

TEST(MetricLearningTest, ValuesThatAreNotFiniteAreRefused) {
  for (const double value :
       {std::numeric_limits<double>::quiet_NaN(), -std::numeric_limits<double>::infinity()}) {
    SmallWorld world;
    world.vectors[3][1] = value;
    EXPECT_TRUE(contains(kissme_refusal(world.vectors, world.pairs), "not finite"));
    EXPECT_TRUE(contains(xqda_refusal(world.view(false), world.view(true)), "not finite"));
  }
}

TEST(XqdaTest, OneIdentityIsRefused) {
  SmallWorld world;
  world.identity.assign(12, 4);
  EXPECT_TRUE(contains(xqda_refusal(world.view(false), world.view(true)),
                       "no pairs of two persons under two cameras"));
}

TEST(XqdaTest, PersonsUnderOneCameraEachAreRefused) {
  SmallWorld world;
  world.camera = world.identity;
  EXPECT_TRUE(contains(xqda_refusal(world.view(false), world.view(true)),
                       "no pairs of one person under two cameras"));
}

TEST(XqdaTest, PersonsWithOneTrackletEachAreRefused) {
  SmallWorld world;
  for (int32_t row = 0; row < 12; ++row) world.identity[static_cast<size_t>(row)] = row;
  EXPECT_TRUE(contains(xqda_refusal(world.view(false), world.view(true)), "no person with two"));
}

TEST(XqdaTest, MoreDimensionsThanThePairsSpanAreRefused) {
  SmallWorld world;
  world.vectors = normal_tensor({12, 2}, 3).matmul(normal_tensor({2, 5}, 4));
  XqdaSettings settings;
  settings.dimensions = 4;
  EXPECT_TRUE(contains(xqda_refusal(world.view(false), world.view(true), settings),
                       "pairs of two persons span only 2 of 4 dimensions"));
}

// No direction tells persons apart better than chance: the best one is kept.
TEST(XqdaTest, AtLeastOneDimensionIsKept) {
  SmallWorld world;
  world.vectors = 1e-3 * normal_tensor({12, 3}, 5);  // beside lambda = 0.001: ratios near 0.001
  const LearnedMetric metric = learn_xqda(world.view(false), world.view(true), {}, "file");
  EXPECT_EQ(metric.plus.size(1) + metric.minus.size(1), 1);
}

TEST(TrainingPairsTest, AllPairsOfAPersonUnderTwoCamerasAreThere) {
  const std::vector<int32_t> identity = {5, 6, 5, 5, 6}, camera = {1, 1, 1, 2, 2};
  const TrainingPairs pairs = cross_camera_pairs(identity, camera, 1, 9, "file");
  EXPECT_TRUE(same_values(pairs.same, label_tensor_of({0, 3, 2, 3, 1, 4}).view({3, 2})));
}

TEST(TrainingPairsTest, PairsOfTwoPersonsAreAsManyAndUnderTwoCameras) {
  const SmallWorld world;
  ASSERT_EQ(world.pairs.same.size(0), 12);
  ASSERT_EQ(world.pairs.different.size(0), 12);
  for (int64_t pair = 0; pair < 12; ++pair) {
    const auto i = static_cast<size_t>(world.pairs.different[pair][0].item<int64_t>());
    const auto j = static_cast<size_t>(world.pairs.different[pair][1].item<int64_t>());
    EXPECT_NE(world.identity[i], world.identity[j]);
    EXPECT_NE(world.camera[i], world.camera[j]);
  }
}

TEST(TrainingPairsTest, AStrideKeepsEachNthPairOfOnePerson) {
  const SmallWorld world;
  const TrainingPairs pairs = cross_camera_pairs(world.identity, world.camera, 5, 1, "file");
  const at::Tensor expected = world.pairs.same.index_select(0, label_tensor_of({0, 5, 10}));
  EXPECT_TRUE(same_values(pairs.same, expected));
  EXPECT_EQ(pairs.different.size(0), 3);
}

TEST(TrainingPairsTest, TheSeedDrawsThePairsOfTwoPersons) {
  const SmallWorld world;
  const auto drawn = [&](uint64_t seed) {
    return cross_camera_pairs(world.identity, world.camera, 1, seed, "file").different;
  };
  EXPECT_TRUE(same_values(drawn(3), drawn(3)));
  EXPECT_FALSE(same_values(drawn(3), drawn(4)));
}

// Of all ordered pairs one in 77 differs in both.
TEST(TrainingPairsTest, RarePairsOfTwoPersonsAreAllDrawn) {
  std::vector<int32_t> identity(304, 1), camera(304, 2);
  camera[10] = 1;
  identity[20] = 2, camera[20] = 1;
  identity[30] = 3, camera[30] = 3;
  camera[40] = 3;
  std::set<std::pair<int64_t, int64_t>> drawn;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const TrainingPairs pairs = cross_camera_pairs(identity, camera, 1, seed, "file");
    ASSERT_EQ(pairs.different.size(0), 601);
    for (int64_t pair = 0; pair < 601; ++pair) {
      const auto i = pairs.different[pair][0].item<int64_t>();
      const auto j = pairs.different[pair][1].item<int64_t>();
      EXPECT_NE(identity[static_cast<size_t>(i)], identity[static_cast<size_t>(j)]);
      EXPECT_NE(camera[static_cast<size_t>(i)], camera[static_cast<size_t>(j)]);
      drawn.emplace(i, j);
    }
  }
  EXPECT_EQ(drawn.size(), 1206u);
}

// Blind draws would want thousands of millions of rows, and so would all pairs of the person's.
TEST(TrainingPairsTest, AFileOfOnePersonAlmostAloneIsServed) {
  constexpr size_t kRows = 300000;
  std::vector<int32_t> identity(kRows, 1), camera(kRows, 1);
  camera[kRows - 2] = 2;
  identity[kRows - 1] = 2, camera[kRows - 1] = 2;
  const TrainingPairs pairs = cross_camera_pairs(identity, camera, 1, 1, "file");
  EXPECT_EQ(pairs.same.size(0), static_cast<int64_t>(kRows) - 2);
  EXPECT_EQ(pairs.different.size(0), static_cast<int64_t>(kRows) - 2);
}

TEST(TrainingPairsTest, WorldsWithoutPairsAreRefused) {
  const auto refusal = [](const std::vector<int32_t>& identity,
                          const std::vector<int32_t>& camera) {
    return failure_text<InputError>([&] { cross_camera_pairs(identity, camera, 1, 1, "some.h5"); });
  };
  EXPECT_TRUE(contains(refusal({}, {}), "some.h5: has no person under two cameras"));
  EXPECT_TRUE(contains(refusal({1, 1, 2}, {3, 3, 4}), "no person under two cameras"));
  EXPECT_TRUE(contains(refusal({1, 1}, {3, 4}), "no two persons under two cameras"));
}

TEST(TrainingPairsTest, EveryPersonIsHalvedBetweenTheViews) {
  const std::vector<int32_t> identity = {1, 1, 1, 1, 2, 2, 3};
  const TrainingViews views = half_views(identity, 1);
  std::multiset<int32_t> first, all;
  for (const int64_t row : views.first) first.insert(identity[static_cast<size_t>(row)]);
  for (const int64_t row : views.first) all.insert(static_cast<int32_t>(row));
  for (const int64_t row : views.second) all.insert(static_cast<int32_t>(row));
  EXPECT_EQ(first, (std::multiset<int32_t>{1, 1, 2}));
  EXPECT_EQ(all, (std::multiset<int32_t>{0, 1, 2, 3, 4, 5, 6}));
}

TEST(TrainingPairsTest, TheSeedDrawsTheHalves) {
  const std::vector<int32_t> identity(20, 1);
  EXPECT_EQ(half_views(identity, 1).first, half_views(identity, 1).first);
  EXPECT_NE(half_views(identity, 1).first, half_views(identity, 2).first);
}

// d = a - b with a, b the squared lengths along two axes.
TEST(LearnedMetricTest, AMatrixThatIsNotPositiveGivesNegativeDistances) {
  const LearnedMetric metric =
      learned_metric(at::eye(2, at::kDouble), at::tensor({3.0, -2.0}, at::kDouble).diag());
  const at::Tensor origin = at::zeros({1, 2}),
                   points = at::tensor({1.0f, 0.0f, 0.0f, 1.0f}).view({2, 2});
  const at::Tensor distance =
      metric_distance(coordinates(metric, origin), coordinates(metric, points));
  EXPECT_NEAR(distance[0][0].item<double>(), 3, 1e-12);
  EXPECT_NEAR(distance[0][1].item<double>(), -2, 1e-12);
}

}  // namespace
}  // namespace muster::models
