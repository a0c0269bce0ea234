#include "trainer/clip_tensors.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <numeric>

#include "common/error.h"

namespace muster::trainer {
namespace {

datastore::ClipFormat small_format(bool flow) {
  datastore::ClipFormat format;
  format.crop_height = 3;
  format.crop_width = 2;
  format.flow = flow;
  return format;
}

// Each value is its place in the loader's layout.
std::vector<float> counted(size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 0.0f);
  return values;
}

TEST(ClipTensorsTest, ColourAndFlowAreTakenApart) {
  const std::vector<float> values = counted(2 * 4 * 5 * 6);
  const models::ModelInput input = model_input(values, 2, 4, small_format(true), at::kFloat);
  ASSERT_EQ(input.clips.sizes(), (std::vector<int64_t>{2, 4, 3, 3, 2}));
  ASSERT_EQ(input.flow.sizes(), (std::vector<int64_t>{2, 4, 2, 3, 2}));
  // [clip 1, frame 2, channel, row 1, column 0] counts ((1 x 4 + 2) x 5 + channel) x 6 + 2.
  EXPECT_EQ(input.clips[1][2][1][1][0].item<float>(), (6 * 5 + 1) * 6 + 2);
  EXPECT_EQ(input.flow[1][2][1][1][0].item<float>(), (6 * 5 + 4) * 6 + 2);
}

TEST(ClipTensorsTest, WithoutFlowThereIsNone) {
  const std::vector<float> values = counted(2 * 3 * 6);
  const models::ModelInput input = model_input(values, 1, 2, small_format(false), at::kFloat);
  EXPECT_EQ(input.clips.sizes(), (std::vector<int64_t>{1, 2, 3, 3, 2}));
  EXPECT_FALSE(input.flow.defined());
}

TEST(ClipTensorsTest, ValuesAreConverted) {
  const models::ModelInput input = model_input(counted(30), 1, 1, small_format(true), at::kDouble);
  EXPECT_EQ(input.clips.scalar_type(), at::kDouble);
  EXPECT_EQ(input.flow.scalar_type(), at::kDouble);
}

TEST(ClipTensorsTest, FloatsAreNotCopied) {
  const std::vector<float> values = counted(30);
  const models::ModelInput input = model_input(values, 1, 1, small_format(true), at::kFloat);
  EXPECT_EQ(input.clips.data_ptr<float>(), values.data());
  EXPECT_EQ(input.flow.data_ptr<float>(), values.data() + 3 * 6);
}

TEST(ClipTensorsTest, ConvertedValuesAreTheTensorsOwn) {
  std::vector<float> values = counted(30);
  const models::ModelInput input = model_input(values, 1, 1, small_format(true), at::kDouble);
  values[0] = 99;
  EXPECT_EQ(input.clips.flatten()[0].item<double>(), 0);
}

TEST(ClipTensorsTest, NoClipsGiveEmptyTensors) {
  const models::ModelInput input = model_input({}, 0, 4, small_format(true), at::kFloat);
  EXPECT_EQ(input.clips.sizes(), (std::vector<int64_t>{0, 4, 3, 3, 2}));
  EXPECT_EQ(input.flow.sizes(), (std::vector<int64_t>{0, 4, 2, 3, 2}));
}

TEST(ClipTensorsTest, AnotherNumberOfValuesIsRefused) {
  EXPECT_THROW(model_input(counted(29), 1, 1, small_format(true), at::kFloat),
               common::RequirementError);
}

TEST(ClipTensorsTest, LabelsAreThoseOfThisRanksShare) {
  datastore::LoadedBatch batch;
  for (const int32_t label : {5, 6, 7, 8}) {
    datastore::ClipRequest clip;
    clip.label = label;
    batch.global.push_back(clip);
  }
  batch.share = {1, 3};
  const at::Tensor labels = label_tensor(batch);
  ASSERT_EQ(labels.sizes(), std::vector<int64_t>{2});
  EXPECT_EQ(labels[0].item<int64_t>(), 6);
  EXPECT_EQ(labels[1].item<int64_t>(), 7);
}

TEST(ClipTensorsTest, AnEmptyShareHasNoLabels) {
  datastore::LoadedBatch batch;
  batch.global.resize(2);
  batch.share = {1, 1};
  EXPECT_EQ(label_tensor(batch).sizes(), std::vector<int64_t>{0});
}

TEST(ClipTensorsTest, JointsKeepTheirPlaces) {
  std::vector<datastore::Joint> joints;
  for (int i = 0; i < 2 * 3 * datastore::kJointCount; ++i) {
    const auto number = static_cast<float>(i);
    joints.push_back({number, number + 0.25f, number + 0.5f});
  }
  const at::Tensor tensor = joint_tensor(joints, 2, 3, at::kDouble);
  ASSERT_EQ(tensor.sizes(), (std::vector<int64_t>{2, 3, 14, 3}));
  EXPECT_EQ(tensor.scalar_type(), at::kDouble);
  EXPECT_EQ(tensor[1][2][13][0].item<double>(), 83);
  EXPECT_EQ(tensor[1][0][5][2].item<double>(), 47.5);
  EXPECT_THROW(joint_tensor(joints, 2, 2, at::kDouble), common::RequirementError);
}

}  // namespace
}  // namespace muster::trainer
