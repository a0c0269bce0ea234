#include "trainer/batch_settings.h"

#include <gtest/gtest.h>

#include <set>

#include "common/error.h"
#include "tests/common/support.h"

namespace muster::trainer {
namespace {

using common::contains;
using common::failure_text;
using common::InputError;

std::string refusal(const proto::Experiment& experiment) {
  return failure_text<InputError>([&] { batch_options(experiment); });
}

TEST(BatchSettingsTest, DefaultsAreTheIdentityBalancedSampler) {
  const datastore::BatchOptions options = batch_options({});
  EXPECT_EQ(options.sampler, datastore::Sampler::kIdentities);
  EXPECT_EQ(options.identities, 8);
  EXPECT_EQ(options.clips, 2);
  EXPECT_EQ(options.frames, 16);
  EXPECT_EQ(options.frame_choice, datastore::FrameChoice::kConsecutive);
  EXPECT_EQ(options.short_tracklet, datastore::ShortTracklet::kStartOver);
  EXPECT_EQ(options.occlusion.size, 0);
}

TEST(BatchSettingsTest, EverySettingArrives) {
  proto::Experiment experiment;
  experiment.mutable_data()->mutable_occlusion()->set_size(25);
  experiment.mutable_data()->mutable_occlusion()->set_seed(9);
  experiment.mutable_training()->set_seed(4);
  proto::Batch& batch = *experiment.mutable_training()->mutable_batch();
  batch.set_sampler(proto::PAIRS);
  batch.set_size(3);
  batch.set_frames(7);
  batch.set_frame_choice(proto::EVENLY_SPACED);
  batch.set_short_tracklet(proto::LEAVE_OUT);
  const datastore::BatchOptions options = batch_options(experiment);
  EXPECT_EQ(options.seed, 4u);
  EXPECT_EQ(options.sampler, datastore::Sampler::kPairs);
  EXPECT_EQ(options.size, 3);
  EXPECT_EQ(options.frames, 7);
  EXPECT_EQ(options.frame_choice, datastore::FrameChoice::kEvenlySpaced);
  EXPECT_EQ(options.short_tracklet, datastore::ShortTracklet::kLeaveOut);
  EXPECT_EQ(options.occlusion.size, 25);
  EXPECT_EQ(options.occlusion.seed, 9u);
}

TEST(BatchSettingsTest, FieldsOfAnotherSamplerAreRefused) {
  proto::Experiment experiment;
  proto::Batch& batch = *experiment.mutable_training()->mutable_batch();
  batch.set_size(3);
  EXPECT_TRUE(contains(refusal(experiment), "training.batch.size")) << refusal(experiment);
  batch.set_sampler(proto::TRIPLETS);
  EXPECT_NO_THROW(batch_options(experiment));
  batch.set_clips(2);
  EXPECT_TRUE(contains(refusal(experiment), "training.batch.clips")) << refusal(experiment);
  batch.clear_clips();
  batch.set_identities(4);
  EXPECT_TRUE(contains(refusal(experiment), "training.batch.identities")) << refusal(experiment);
}

TEST(BatchSettingsTest, SingleFramesHaveNoLengthAndNoChoiceInATracklet) {
  proto::Experiment experiment;
  proto::Batch& batch = *experiment.mutable_training()->mutable_batch();
  batch.set_sampler(proto::FRAMES);
  batch.set_size(5);
  EXPECT_EQ(batch_options(experiment).sampler, datastore::Sampler::kFrames);
  EXPECT_EQ(batch_options(experiment).size, 5);
  batch.set_frames(1);
  EXPECT_TRUE(contains(refusal(experiment), "training.batch.frames: has no meaning with sampler"));
  batch.clear_frames();
  batch.set_frame_choice(proto::RANDOM);
  EXPECT_TRUE(contains(refusal(experiment), "training.batch.frame_choice: has no meaning"));
  batch.clear_frame_choice();
  batch.set_short_tracklet(proto::LEAVE_OUT);
  EXPECT_TRUE(contains(refusal(experiment), "training.batch.short_tracklet: has no meaning"));
}

TEST(BatchSettingsTest, EveryFrameChoiceAndShortTrackletArrivesAsItself) {
  std::set<datastore::FrameChoice> choices;
  for (int value = proto::FrameChoice_MIN; value <= proto::FrameChoice_MAX; ++value) {
    proto::Experiment experiment;
    experiment.mutable_training()->mutable_batch()->set_frame_choice(
        static_cast<proto::FrameChoice>(value));
    choices.insert(batch_options(experiment).frame_choice);
  }
  EXPECT_EQ(choices.size(), 6u);
  std::set<datastore::ShortTracklet> rules;
  for (int value = proto::ShortTracklet_MIN; value <= proto::ShortTracklet_MAX; ++value) {
    proto::Experiment experiment;
    experiment.mutable_training()->mutable_batch()->set_short_tracklet(
        static_cast<proto::ShortTracklet>(value));
    rules.insert(batch_options(experiment).short_tracklet);
  }
  EXPECT_EQ(rules.size(), 4u);
}

TEST(BatchSettingsTest, WhatTheSamplerDoesNotLookAtIsRefusedWithTheWayToUnsetIt) {
  proto::Experiment experiment;
  proto::Batch& batch = *experiment.mutable_training()->mutable_batch();
  batch.set_sampler(proto::PAIRS);
  batch.set_identities(8);
  const std::string text = refusal(experiment);
  EXPECT_TRUE(contains(text, "training.batch.identities: has no meaning with sampler PAIRS"));
  EXPECT_TRUE(contains(text, "--set training.batch=off before the other --set")) << text;
  experiment.mutable_training()->clear_batch();
  experiment.mutable_training()->mutable_batch()->set_sampler(proto::PAIRS);
  EXPECT_EQ(batch_options(experiment).sampler, datastore::Sampler::kPairs);
}

TEST(BatchSettingsTest, WholeTrackletsHaveNoLengthToChoose) {
  proto::Experiment experiment;
  proto::Batch& batch = *experiment.mutable_training()->mutable_batch();
  batch.set_frame_choice(proto::ALL);
  EXPECT_EQ(batch_options(experiment).frame_choice, datastore::FrameChoice::kAll);
  batch.set_frames(16);
  EXPECT_TRUE(contains(refusal(experiment), "training.batch.frames: has no meaning"));
  batch.clear_frames();
  batch.set_short_tracklet(proto::LEAVE_OUT);
  EXPECT_TRUE(contains(refusal(experiment), "training.batch.short_tracklet: has no meaning"));
}

TEST(BatchSettingsTest, AnAnnotationIsForNetworksThatLookAtJoints) {
  proto::Data data;
  datastore::ClipFormat format;
  EXPECT_FALSE(joint_source(data, format).wanted);
  data.set_joints("pose");
  const std::string text = failure_text<InputError>([&] { joint_source(data, format); });
  EXPECT_TRUE(contains(text, "data.joints")) << text;
  format.joints = true;
  EXPECT_TRUE(joint_source(data, format).wanted);
  EXPECT_EQ(joint_source(data, format).annotation, "pose");
}

TEST(BatchSettingsTest, SizesOutOfRangeAreRefused) {
  proto::Experiment experiment;
  experiment.mutable_training()->mutable_batch()->set_sampler(proto::TRACKLETS);
  experiment.mutable_training()->mutable_batch()->set_size(0);
  EXPECT_TRUE(contains(refusal(experiment), "training.batch.size"));
  experiment.mutable_training()->mutable_batch()->set_size(1);
  experiment.mutable_data()->mutable_occlusion()->set_size(-1);
  EXPECT_TRUE(contains(refusal(experiment), "data.occlusion.size"));
}

}  // namespace
}  // namespace muster::trainer
