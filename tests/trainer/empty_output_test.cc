#include "trainer/empty_output.h"

#include <ATen/ATen.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "models/model_catalog.h"
#include "tests/common/support.h"
#include "tests/models/support.h"
#include "trainer/input_recipe.h"

namespace muster::trainer {
namespace {

const char* const kSmallNetworks[] = {
    "trl { width: 0.0625 input_size: 32 hidden: 4 localisation_hidden: 4 localisation_channels: 4 "
    "}",
    "stal { width: 0.0625 input_size: 32 part_size: 5 }",
    "tam_srm { width: 0.0625 input_size: 67 feature_size: 8 attention_size: 5 recurrent_size: 6 "
    "metric_channels: 4 metric_hidden: 9 frames: 3 }"};

struct SmallNetwork {
  proto::Experiment experiment;
  std::unique_ptr<models::Model> model;
};

SmallNetwork small_network(const std::string& settings) {
  SmallNetwork network;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
      "model { " + settings + " } training { batch { frames: 3 } }", &network.experiment))
      << settings;
  const proto::Model& options = network.experiment.model();
  network.model = models::model_entry(options).create(options, 0, 1);
  return network;
}

// A row of ones in every tensor.
FeatureTable table_of(const SignatureShapes& shapes) {
  FeatureTable table;
  table.name = "features.h5";
  table.rows = 1;
  table.identity = table.camera = table.role = {1};
  for (const auto& [name, shape] : shapes) {
    FeatureTensor tensor{shape, {}};
    tensor.values.assign(static_cast<size_t>(tensor.size()), 1);
    if (name == "features") {
      table.features = tensor.size();
      table.values = tensor.values;
    } else {
      table.further[name] = tensor;
    }
  }
  return table;
}

TEST(EmptyOutputTest, ANetworksOwnTablesFit) {
  for (const char* settings : kSmallNetworks) {
    const SmallNetwork network = small_network(settings);
    const SignatureShapes shapes = scored_shapes(*network.model, network.experiment);
    EXPECT_FALSE(shapes.empty());
    FeatureTable table = table_of(shapes);
    table.further["more"] = {{1}, {1}};
    EXPECT_NO_THROW(require_shapes(table, shapes));
  }
}

TEST(EmptyOutputTest, TablesOfOtherNetworksAreRefusedInOneLineThatNamesThem) {
  for (const char* settings : kSmallNetworks) {
    const SmallNetwork network = small_network(settings);
    const SignatureShapes shapes = scored_shapes(*network.model, network.experiment);
    for (const char* foreign : kSmallNetworks) {
      if (std::string(foreign) == settings) continue;
      const SmallNetwork other = small_network(foreign);
      const FeatureTable table = table_of(scored_shapes(*other.model, other.experiment));
      const std::string text =
          common::failure_text<common::InputError>([&] { require_shapes(table, shapes); });
      EXPECT_TRUE(common::contains(text, "features.h5: lacks the tensor '")) << text;
      EXPECT_TRUE(common::contains(text, "--run")) << text;
    }
  }
}

TEST(EmptyOutputTest, TensorsOfAnotherShapeAreRefused) {
  for (const char* settings : kSmallNetworks) {
    const SmallNetwork network = small_network(settings);
    const SignatureShapes shapes = scored_shapes(*network.model, network.experiment);
    for (const auto& [name, shape] : shapes) {
      SignatureShapes longer = shapes;
      ++longer.at(name).back();
      const std::string text = common::failure_text<common::InputError>(
          [&, &longer = longer] { require_shapes(table_of(longer), shapes); });
      EXPECT_TRUE(common::contains(text, "features.h5: has '" + name + "' of shape [")) << text;
    }
  }
}

// The pair metric takes clips of one length, and this sampler's have one frame.
TEST(EmptyOutputTest, TheSamplerOfFramesMakesClipsOfOne) {
  SmallNetwork network = small_network(std::string(kSmallNetworks[2]) + " ");
  network.experiment.mutable_model()->mutable_tam_srm()->set_frames(1);
  network.experiment.mutable_training()->mutable_batch()->set_sampler(proto::FRAMES);
  const proto::Model& options = network.experiment.model();
  network.model = models::model_entry(options).create(options, 0, 1);
  models::OwnStatistics statistics;
  const models::ModelOutput output =
      output_for_no_clips(*network.model, network.experiment,
                          clip_format(network.model->input_format(), {}), at::kFloat, statistics);
  EXPECT_EQ(output.signature.at("maps").size(1), 1);
}

}  // namespace
}  // namespace muster::trainer
