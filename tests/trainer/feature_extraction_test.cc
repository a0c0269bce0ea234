#include "trainer/feature_extraction.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "common/error.h"
#include "datastore/clip_loader.h"
#include "datastore/protocol.h"
#include "models/model_catalog.h"
#include "models/safetensors.h"
#include "tests/common/support.h"
#include "tests/models/naive_stsrn.h"
#include "tests/models/support.h"
#include "tests/trainer/tiny_store.h"
#include "trainer/clip_tensors.h"
#include "trainer/training_loop.h"

namespace muster::trainer {
namespace {

using common::contains;
using common::failure_text;
using common::InputError;
using datastore::kRoleGallery;
using datastore::kRoleQuery;
using datastore::kRoleTrain;

class FeatureExtractionTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = std::make_unique<common::TestDirectory>();
    build_tiny_store(*shared_ / "store");
    build_tiny_store(*shared_ / "without-flow", 6, Flow::kWithout);
    proto::Experiment experiment = tiny_experiment();
    experiment.mutable_training()->set_precision(proto::FLOAT32);
    common::SilentProgress progress;
    train({experiment, "waves", *shared_ / "store", *shared_ / "run"},
          *create_single_communicator(), progress);
  }
  static void TearDownTestSuite() { shared_.reset(); }

  static ExtractionRequest request(int crops = 1, bool flip = true) {
    ExtractionRequest result;
    result.run = read_finished_run(*shared_ / "run");
    result.extraction.set_crops(crops);
    result.extraction.set_flip(flip);
    result.store_name = "waves";
    result.store_directory = *shared_ / "store";
    result.roles = kRoleQuery | kRoleGallery;
    return result;
  }
  static FeatureTable extracted(const ExtractionRequest& request) {
    common::SilentProgress progress;
    return extract_features(request, progress);
  }

  static std::unique_ptr<common::TestDirectory> shared_;
};

std::unique_ptr<common::TestDirectory> FeatureExtractionTest::shared_;

TEST_F(FeatureExtractionTest, ARowPerTrackletOfTheWantedRoles) {
  const FeatureTable table = extracted(request());
  EXPECT_EQ(table.rows, 6);  // three test identities under two cameras
  EXPECT_EQ(table.features, 16);
  EXPECT_EQ(std::count(table.role.begin(), table.role.end(), kRoleQuery), 3);
  EXPECT_EQ(std::count(table.role.begin(), table.role.end(), kRoleGallery), 3);
  EXPECT_EQ(table.values.size(), static_cast<size_t>(6 * table.variants * 16));
}

TEST_F(FeatureExtractionTest, RowsStandInTheStoresOrder) {
  ExtractionRequest everything = request();
  everything.roles |= kRoleTrain;
  const FeatureTable table = extracted(everything);
  const datastore::TrackletStore store(*shared_ / "store");
  ASSERT_EQ(table.rows, static_cast<int64_t>(store.tracklets().size()));
  for (size_t row = 0; row < store.tracklets().size(); ++row) {
    EXPECT_EQ(table.identity[row], store.tracklets()[row].identity);
    EXPECT_EQ(table.camera[row], store.tracklets()[row].camera);
  }
}

TEST_F(FeatureExtractionTest, EachCropAndItsMirrorIsAVariant) {
  EXPECT_EQ(extracted(request(1, false)).variants, 1);
  EXPECT_EQ(extracted(request(1, true)).variants, 2);
  EXPECT_EQ(extracted(request(8, true)).variants, 16);
}

TEST_F(FeatureExtractionTest, FeaturesAreTheNetworksOfTheCentreOfAllFrames) {
  const FeatureTable table = extracted(request(1, false));
  const datastore::TrackletStore store(*shared_ / "store");
  const auto roles = datastore::assign_roles(store, {});
  const auto first = static_cast<size_t>(
      std::find_if(roles.begin(), roles.end(),
                   [](int32_t role) { return (role & (kRoleQuery | kRoleGallery)) != 0; }) -
      roles.begin());
  const datastore::StoredTracklet& tracklet = store.tracklets()[first];
  std::vector<int32_t> frames;
  for (int32_t frame = 0; frame < tracklet.length; ++frame) frames.push_back(frame);
  datastore::ClipTransform centre;
  centre.crop_y = 4;
  centre.crop_x = 4;
  const datastore::ClipFormat format;
  std::vector<float> values(frames.size() * 5 * 56 * 40);
  datastore::apply_clip_transform(datastore::read_clip(store, tracklet, frames, true).view(),
                                  format, centre, values.data());
  models::NamedTensors weights;
  const FinishedRun run = read_finished_run(*shared_ / "run");
  for (const auto& item : models::read_safetensors(run.weights).tensors) weights.push_back(item);
  const at::Tensor expected =
      models::naive_stsrn(weights, model_input(values, 1, tracklet.length, format, at::kDouble))
          .features;
  for (int64_t i = 0; i < 16; ++i) {
    EXPECT_NEAR(table.values[static_cast<size_t>(i)], expected[0][i].item<double>(), 1e-5);
  }
}

TEST_F(FeatureExtractionTest, OnlyTheFirstFramesAreTaken) {
  ExtractionRequest one = request(), all = request();
  one.extraction.set_max_frames(1);
  all.extraction.set_max_frames(6);
  EXPECT_NE(extracted(one).values, extracted(all).values);
  EXPECT_EQ(extracted(request()).values, extracted(all).values);
}

TEST_F(FeatureExtractionTest, TheSettingsSayWhichFramesOfALongTrackletAreTaken) {
  std::map<proto::TestFrames, FeatureTable> tables;
  for (const proto::TestFrames frames :
       {proto::FIRST_FRAMES, proto::LAST_FRAMES, proto::GALLERY_LAST_FRAMES}) {
    ExtractionRequest one = request();
    one.extraction.set_max_frames(1);
    one.extraction.set_frames(frames);
    tables[frames] = extracted(one);
  }
  const FeatureTable& first = tables[proto::FIRST_FRAMES];
  const FeatureTable& last = tables[proto::LAST_FRAMES];
  EXPECT_NE(first.values, last.values);
  // Row by row: queries as with the first frames, the others as with the last.
  const FeatureTable& mixed = tables[proto::GALLERY_LAST_FRAMES];
  const size_t row_values = mixed.values.size() / static_cast<size_t>(mixed.rows);
  for (size_t row = 0; row < static_cast<size_t>(mixed.rows); ++row) {
    const FeatureTable& expected = (mixed.role[row] & kRoleQuery) != 0 ? first : last;
    for (size_t i = row * row_values; i < (row + 1) * row_values; ++i) {
      ASSERT_EQ(mixed.values[i], expected.values[i]) << row;
    }
  }
}

TEST_F(FeatureExtractionTest, AllFramesAreAllWhateverTheMostIs) {
  ExtractionRequest all = request(), one = request();
  for (ExtractionRequest* either : {&all, &one}) either->extraction.set_max_frames(1);
  all.extraction.set_frames(proto::ALL_FRAMES);
  EXPECT_EQ(extracted(all).values, extracted(request()).values);  // at most 128 of 6
  EXPECT_NE(extracted(all).values, extracted(one).values);
}

TEST_F(FeatureExtractionTest, WithAFixedLengthShortTrackletsStartOver) {
  ExtractionRequest longer = request(), fixed = request(), enough = request();
  longer.extraction.set_max_frames(9);
  fixed.extraction.set_max_frames(9);
  fixed.extraction.set_fixed_length(true);
  EXPECT_EQ(extracted(longer).values, extracted(request()).values);
  EXPECT_NE(extracted(fixed).values, extracted(longer).values);
  // No tracklet of the store is shorter than three.
  for (const bool fixed_length : {false, true}) {
    enough.extraction.set_max_frames(3);
    enough.extraction.set_fixed_length(fixed_length);
    longer.extraction.set_max_frames(3);
    EXPECT_EQ(extracted(enough).values, extracted(longer).values);
  }
}

TEST_F(FeatureExtractionTest, InputSettingsOfTheTrainingHoldInTheTest) {
  ExtractionRequest other = request();
  other.run.experiment.mutable_model()->mutable_input()->set_colour(proto::BGR);
  EXPECT_NE(extracted(other).values, extracted(request()).values);
}

TEST_F(FeatureExtractionTest, OccludedDataGivesOtherFeaturesTheSameEachTime) {
  ExtractionRequest polluted = request();
  polluted.run.experiment.mutable_data()->mutable_occlusion()->set_size(6);
  const FeatureTable once = extracted(polluted);
  EXPECT_NE(once.values, extracted(request()).values);
  EXPECT_EQ(once.values, extracted(polluted).values);
}

TEST_F(FeatureExtractionTest, ThreadsChangeNothing) {
  ExtractionRequest threaded = request();
  threaded.threads = 3;
  EXPECT_EQ(extracted(threaded).values, extracted(request()).values);
}

TEST_F(FeatureExtractionTest, FactsSayWhereTheRowsComeFrom) {
  const FeatureTable table = extracted(request());
  EXPECT_EQ(table.facts.at("method"), "stsrn");
  EXPECT_EQ(table.facts.at("train_store"), "waves");
  EXPECT_EQ(table.facts.at("test_store"), "waves");
  EXPECT_EQ(table.facts.at("protocol"), "random-half");
  EXPECT_EQ(table.facts.at("test_synthetic"), "true");
  EXPECT_EQ(table.facts.at("checkpoint_sha256").size(), 64u);
}

TEST_F(FeatureExtractionTest, FactsSayWithWhichSettingsTheRowsWereMade) {
  EXPECT_EQ(extracted(request(1, true)).facts.at("extraction"), "");
  EXPECT_EQ(extracted(request(8, false)).facts.at("extraction"), "crops: 8\nflip: false\n");
}

TEST_F(FeatureExtractionTest, FactsSayWhichProtocolTheTrainingAsksOfItsOwnStoreOnly) {
  ExtractionRequest whole = request();
  whole.protocol = "all-test";
  EXPECT_EQ(extracted(whole).facts.at("training_protocol"), "random-half");
  whole.store_name = "renamed";
  EXPECT_EQ(extracted(whole).facts.count("training_protocol"), 1u);  // the same manifest
  whole.run.facts.store_hash = "another";
  EXPECT_EQ(extracted(whole).facts.count("training_protocol"), 0u);
}

TEST_F(FeatureExtractionTest, SettingsOutOfRangeAreNamed) {
  const auto refusal = [](const ExtractionRequest& bad) {
    return failure_text<InputError>([&] { extracted(bad); });
  };
  EXPECT_TRUE(contains(refusal(request(0)), "extraction.crops"));
  EXPECT_TRUE(contains(refusal(request(9)), "extraction.crops"));
  ExtractionRequest frameless = request();
  frameless.extraction.set_max_frames(0);
  EXPECT_TRUE(contains(refusal(frameless), "extraction.max_frames"));
}

TEST_F(FeatureExtractionTest, NobodyOfTheWantedRolesIsAnError) {
  ExtractionRequest junk = request();
  junk.roles = datastore::kRoleJunk;
  const std::string text = failure_text<InputError>([&] { extracted(junk); });
  EXPECT_TRUE(contains(text, "store")) << text;
}

TEST_F(FeatureExtractionTest, AStoreWithoutFlowIsRefused) {
  ExtractionRequest still = request();
  still.store_directory = *shared_ / "without-flow";
  EXPECT_TRUE(contains(failure_text<InputError>([&] { extracted(still); }), "optical flow"));
}

TEST_F(FeatureExtractionTest, WeightsOfAnotherNetworkAreRefused) {
  ExtractionRequest other = request();
  other.run.experiment.mutable_model()->mutable_stsrn()->set_features(8);
  const std::string text = failure_text<InputError>([&] { extracted(other); });
  EXPECT_TRUE(contains(text, "'synergy' is [16] in the file, [8] in the network")) << text;
}

}  // namespace
}  // namespace muster::trainer
