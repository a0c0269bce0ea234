#include "trainer/input_recipe.h"

#include <gtest/gtest.h>

#include <set>

#include "common/error.h"
#include "models/model_catalog.h"
#include "tests/common/support.h"

namespace muster::trainer {
namespace {

using common::contains;

const models::InputFormat kNetwork = {64, 48, 56, 40, true};

std::string refusal(const proto::Input& settings, const models::InputFormat& network = kNetwork) {
  return common::failure_text<common::InputError>([&] { clip_format(network, settings); });
}

TEST(InputRecipeTest, TheFormatIsWhatTheNetworkAsksFor) {
  const datastore::ClipFormat format = clip_format({64, 48, 56, 40, true}, {});
  EXPECT_EQ(format.resize_height, 64);
  EXPECT_EQ(format.resize_width, 48);
  EXPECT_EQ(format.crop_height, 56);
  EXPECT_EQ(format.crop_width, 40);
  EXPECT_TRUE(format.flow);
  EXPECT_FALSE(format.divide_by_root_of_deviation);
  EXPECT_FALSE(format.vertical_flow_first);
  EXPECT_FALSE(format.joints);
  EXPECT_EQ(format.interpolation, datastore::Interpolation::kArea);
  EXPECT_EQ(format.colour, datastore::ColourSpace::kYuv);
  EXPECT_EQ(format.range, datastore::ValueRange::kUnit);
  EXPECT_EQ(format.normalisation, datastore::Normalisation::kPerFrame);
  EXPECT_TRUE(format.subtract_window_mean);
}

TEST(InputRecipeTest, QuirksOfANetworksSettingsReachTheFormat) {
  for (const bool root : {false, true}) {
    proto::Model settings;
    settings.mutable_stsrn()->set_divide_by_root_of_deviation(root);
    settings.mutable_stsrn()->set_vertical_flow_first(!root);
    const auto model = models::model_entry(settings).create(settings, 0, 0);
    const datastore::ClipFormat format = clip_format(model->input_format(), {});
    EXPECT_EQ(format.divide_by_root_of_deviation, root);
    EXPECT_EQ(format.vertical_flow_first, !root);
  }
}

TEST(InputRecipeTest, ANetworkThatLooksAtJointsGetsThem) {
  models::InputFormat network = kNetwork;
  network.joints = true;
  EXPECT_TRUE(clip_format(network, {}).joints);
}

TEST(InputRecipeTest, TheExperimentChangesWhatItNames) {
  proto::Input settings;
  settings.set_resize_height(72);
  settings.set_interpolation(proto::BICUBIC);
  settings.set_colour(proto::BGR);
  settings.set_range(proto::BYTES);
  settings.set_normalisation(proto::FIXED);
  for (const double mean : {104.0, 117.0, 123.0}) settings.add_mean(mean);
  for (const double deviation : {1.0, 2.0, 4.0}) settings.add_deviation(deviation);
  const datastore::ClipFormat format = clip_format(kNetwork, settings);
  EXPECT_EQ(format.resize_height, 72);
  EXPECT_EQ(format.resize_width, 48);
  EXPECT_EQ(format.crop_height, 56);
  EXPECT_EQ(format.interpolation, datastore::Interpolation::kBicubic);
  EXPECT_EQ(format.colour, datastore::ColourSpace::kBgr);
  EXPECT_EQ(format.range, datastore::ValueRange::kBytes);
  EXPECT_EQ(format.normalisation, datastore::Normalisation::kFixed);
  EXPECT_EQ(format.mean, (std::array<float, 3>{104, 117, 123}));
  EXPECT_EQ(format.deviation, (std::array<float, 3>{1, 2, 4}));
  EXPECT_FALSE(format.subtract_window_mean);
}

TEST(InputRecipeTest, EveryNameHasItsOwnMeaning) {
  std::set<datastore::Interpolation> interpolations;
  std::set<datastore::ColourSpace> colours;
  for (int value = 1; value <= 3; ++value) {
    proto::Input settings;
    settings.set_interpolation(static_cast<proto::Interpolation>(value));
    settings.set_colour(static_cast<proto::Colour>(value));
    interpolations.insert(clip_format(kNetwork, settings).interpolation);
    colours.insert(clip_format(kNetwork, settings).colour);
  }
  EXPECT_EQ(interpolations.size(), 3u);
  EXPECT_EQ(colours.size(), 3u);
}

TEST(InputRecipeTest, FramesSmallerThanTheWindowAreRefused) {
  proto::Input settings;
  settings.set_resize_width(39);
  EXPECT_TRUE(contains(refusal(settings), "model.input.resize_width: 39")) << refusal(settings);
  settings.set_resize_width(40);
  EXPECT_EQ(clip_format(kNetwork, settings).resize_width, 40);
  settings.set_resize_height(-1);
  EXPECT_TRUE(contains(refusal(settings), "model.input.resize_height: -1")) << refusal(settings);
}

TEST(InputRecipeTest, MeansThatNothingLooksAtAreRefused) {
  proto::Input settings;
  for (int i = 0; i < 3; ++i) settings.add_deviation(1);
  EXPECT_TRUE(contains(refusal(settings), "model.input.deviation: has no meaning"));
  models::InputFormat quirk = kNetwork;
  quirk.divide_by_root_of_deviation = true;
  settings.set_normalisation(proto::FIXED);
  EXPECT_TRUE(contains(refusal(settings, quirk), "divide_by_root_of_deviation"));
}

TEST(InputRecipeTest, MeansAndDeviationsAreThreeGoodNumbers) {
  proto::Input settings;
  settings.set_normalisation(proto::FIXED);
  settings.add_mean(1);
  EXPECT_TRUE(contains(refusal(settings), "model.input.mean: has 1 numbers instead of 3"));
  settings.clear_mean();
  for (const double deviation : {1.0, 0.0, 1.0}) settings.add_deviation(deviation);
  EXPECT_TRUE(contains(refusal(settings), "model.input.deviation: 0")) << refusal(settings);
}

}  // namespace
}  // namespace muster::trainer
