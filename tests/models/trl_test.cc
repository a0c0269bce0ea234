#include <ATen/ATen.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "common/error.h"
#include "models/model_catalog.h"
#include "models/trl/network.h"
#include "tests/common/support.h"
#include "tests/models/accepted_settings.h"
#include "tests/models/naive_trl.h"
#include "tests/models/random_weights.h"

namespace muster::models {
namespace {

// Channels an eighth of the published ones, 64 pixels, seven identities.
proto::Model small_trl(proto::Trl::Alignment alignment = proto::Trl::SPATIAL_TEMPORAL,
                       proto::Trl::Temporal temporal = proto::Trl::GENERIC_AND_SPECIFIC) {
  proto::Model options;
  proto::Trl& trl = *options.mutable_trl();
  trl.set_width(0.125);
  trl.set_input_size(64);
  trl.set_alignment(alignment);
  trl.set_temporal(temporal);
  trl.set_hidden(6);
  trl.set_localisation_hidden(4);
  trl.set_localisation_channels(8);
  trl.set_alpha(0.3);
  return options;
}

std::unique_ptr<Model> random_model(proto::Model options, int64_t identities = 7) {
  clear_fields_without_effect(options);
  auto model = create_trl(options, identities, 1);
  model->to(at::kDouble);
  randomise_weights(weights_of(*model));
  // Near the identity, but neither on it nor on whole pixels.
  for (const auto& [name, value] : model->parameters()) {
    if (name == "transformer.transform.weight") value.detach().mul_(0.1);
    if (name == "transformer.transform.bias") {
      value.detach().copy_(at::tensor({0.83, 0.07, 0.91, -0.11}));
    }
  }
  return model;
}

ModelInput random_clips(int64_t clips, int64_t frames, int64_t size = 64, uint64_t key = 1) {
  ModelInput input;
  input.clips = normal_tensor({clips, frames, 3, size, size}, key);
  return input;
}

proto::Model parsed(const std::string& text) {
  proto::Model options;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &options)) << text;
  return options;
}

int64_t parameter_count(const proto::Model& options, int64_t identities = 0) {
  // Without first weights, whose making takes seconds at full size.
  const TrlNetwork network(options.trl(), identities);
  int64_t count = 0;
  for (const auto& item : network.named_parameters()) count += item.value().numel();
  return count;
}

void expect_close(const at::Tensor& measured, const naive::Values& expected,
                  const std::string& what) {
  ASSERT_EQ(measured.numel(), static_cast<int64_t>(expected.size())) << what;
  const at::Tensor other = at::tensor(expected, at::kDouble);
  EXPECT_GT(other.abs().max().item<double>(), 1e-3) << what;
  EXPECT_LT(largest_difference(measured.flatten(), other), 1e-10) << what;
}

void expect_equal_to_plain_loops(const proto::Model& options) {
  const auto model = random_model(options);
  const ModelInput input = random_clips(2, 3);
  const ModelOutput output = model->forward(input, evaluation_context());
  const naive::Weights weights = naive::weights_of(weights_of(*model));
  for (int64_t clip = 0; clip < 2; ++clip) {
    const naive::TrlOutput expected = naive::trl(input.clips[clip], weights, options.trl());
    ASSERT_EQ(output.signature.size(), expected.signature.size());
    for (const auto& [name, value] : expected.signature) {
      ASSERT_EQ(output.signature.at(name).dim(), 2);
      expect_close(output.signature.at(name)[clip], value, name);
    }
    ASSERT_EQ(output.logits.size(), expected.logits.size());
    for (const auto& [name, rows] : expected.logits) {
      at::Tensor logits = output.logits.at(name)[clip];
      if (!options.trl().frame_level()) logits = logits.unsqueeze(0);
      ASSERT_EQ(logits.sizes(), (std::vector<int64_t>{static_cast<int64_t>(rows.size()), 7}));
      for (size_t row = 0; row < rows.size(); ++row) {
        expect_close(logits[static_cast<int64_t>(row)], rows[row], name);
      }
    }
  }
}

TEST(TrlTest, EveryRowOfTableOneEqualsPlainLoops) {
  for (const AblationRow& row : trl_rows()) {
    if (row.table != "Table I") continue;
    proto::Model options = small_trl();
    options.MergeFrom(parsed(row.model));
    SCOPED_TRACE(row.name);
    expect_equal_to_plain_loops(options);
  }
}

TEST(TrlTest, VariantOneAndFrameLevelEqualPlainLoops) {
  proto::Model options = small_trl();
  options.mutable_trl()->set_backbone(proto::Trl::GOOGLENET_V1);
  expect_equal_to_plain_loops(options);
  options = small_trl();
  options.mutable_trl()->set_frame_level(true);
  expect_equal_to_plain_loops(options);
  options.mutable_trl()->set_alignment(proto::Trl::UNALIGNED);
  expect_equal_to_plain_loops(options);
}

TEST(TrlTest, RowsAreThoseOfThePaperAndDifferFromEachOther) {
  std::set<std::string> names, counts;
  std::map<std::string, int> tables;
  for (const AblationRow& row : trl_rows()) {
    ++tables[row.table];
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    if (row.table == "Table I") counts.insert(std::to_string(parameter_count(parsed(row.model))));
  }
  const std::map<std::string, int> expected = {{"Table I", 10}, {"Figure 4", 3}, {"Figure 5", 22}};
  EXPECT_EQ(tables, expected);
  // SPECIFIC and GENERIC_AND_SPECIFIC have the same parameters.
  EXPECT_EQ(counts.size(), 7U);
}

TEST(TrlTest, TheFullModelHasTheSpecifiedParameterCount) {
  proto::Model options = parsed("trl {}");
  EXPECT_EQ(parameter_count(options), 38542852);
  EXPECT_EQ(parameter_count(options, 625), 38542852 + 2 * (1024 * 625 + 625));
  options.mutable_trl()->set_backbone(proto::Trl::GOOGLENET_V1);
  EXPECT_EQ(parameter_count(options), 39290468);  // 39.3 million
  options.mutable_trl()->set_hidden(256);
  EXPECT_EQ(parameter_count(options), 22496868);  // 22.5 million
}

TEST(TrlTest, AtFrameLevelThereAreNoRecurrentFeatures) {
  proto::Model options = small_trl();
  options.mutable_trl()->set_frame_level(true);
  clear_fields_without_effect(options);
  for (const auto& [name, value] : create_trl(options, 7, 1)->parameters()) {
    EXPECT_EQ(name.find("_temporal"), std::string::npos) << name;
  }
}

TEST(TrlTest, ModelsOfBothLevelsShareAllButHeads) {
  proto::Model options = small_trl();
  std::map<std::string, std::vector<int64_t>> sequence;
  for (const auto& [name, value] : create_trl(options, 7, 1)->parameters()) {
    sequence[name] = value.sizes().vec();
  }
  options.mutable_trl()->set_frame_level(true);
  clear_fields_without_effect(options);
  for (const auto& [name, value] : create_trl(options, 7, 1)->parameters()) {
    const bool is_head = name.find("classifier") != std::string::npos;
    EXPECT_EQ(sequence.count(name), is_head ? 0U : 1U) << name;
  }
}

TEST(TrlTest, GradientsEqualFiniteDifferences) {
  for (const bool frame_level : {false, true}) {
    proto::Model options = small_trl();
    options.mutable_trl()->set_width(1.0 / 16);
    options.mutable_trl()->set_input_size(32);
    options.mutable_trl()->set_frame_level(frame_level);
    const auto model = random_model(options);
    const ModelInput input = random_clips(2, 3, 32);
    NamedTensors parameters;
    for (const auto& [name, value] : model->parameters()) {
      const bool backbone = name.find("inception") != std::string::npos;
      if (!backbone || name.find("4e.branch3") != std::string::npos) {
        parameters.emplace_back(name, value);
      }
    }
    expect_derivatives(parameters, [&] {
      const ModelOutput output = model->forward(input, training_context({8, 9}));
      at::Tensor sum = at::zeros({}, at::kDouble);
      for (const auto& [head, logits] : output.logits) {
        sum = sum + (logits * normal_tensor(logits.sizes(), 5)).mean();
      }
      return sum;
    });
  }
}

// The statistics of a rank whose peer has something.
class PeerHasThree : public StatisticsExchange {
 public:
  at::Tensor sum(const at::Tensor& local) override { return local + 3; }
  bool alone() const override { return false; }
};

TEST(TrlTest, NoClipsGiveEmptyAnswersAndZeroGradients) {
  PeerHasThree peer;
  for (const AblationRow& row : trl_rows()) {
    proto::Model options = small_trl();
    options.MergeFrom(parsed(row.model));
    const auto model = random_model(options);
    ForwardContext context = training_context({});
    context.statistics = &peer;
    const ModelOutput output = model->forward(random_clips(0, 3), context);
    at::Tensor sum = at::zeros({}, at::kDouble);
    for (const auto& [head, logits] : output.logits) {
      EXPECT_EQ(logits.sizes(), (std::vector<int64_t>{0, 7})) << head;
      sum = sum + logits.sum();
    }
    for (const auto& [name, features] : output.signature) EXPECT_EQ(features.size(0), 0) << name;
    sum.backward();
    for (const auto& [name, value] : model->parameters()) {
      ASSERT_TRUE(value.grad().defined()) << row.name << " " << name;
      EXPECT_EQ(value.grad().nan_to_num(1).abs().max().item<double>(), 0) << name;
    }
  }
}

TEST(TrlTest, EveryRowsTrainingStepLowersItsLoss) {
  for (const AblationRow& row : trl_rows()) {
    proto::Model options = small_trl();
    options.MergeFrom(parsed(row.model));
    const auto model = random_model(options);
    const ModelInput input = random_clips(2, 3);
    const auto loss = [&] {
      const ModelOutput output = model->forward(input, training_context({1, 2}));
      at::Tensor sum = at::zeros({}, at::kDouble);
      for (const auto& [head, logits] : output.logits) {
        sum = sum - logits.log_softmax(1).select(1, 2).mean();
      }
      return sum;
    };
    const at::Tensor before = loss();
    before.backward();
    double squares = 0;
    for (const auto& [name, value] : model->parameters()) {
      squares += value.grad().square().sum().item<double>();
    }
    // A step that should lower the loss by 1e-5.
    for (const auto& [name, value] : model->parameters()) {
      value.detach().sub_(value.grad(), 1e-5 / squares);
    }
    EXPECT_NEAR(before.item<double>() - loss().item<double>(), 1e-5, 5e-6) << row.name;
  }
}

TEST(TrlTest, FirstWeightsAreAFunctionOfTheSeed) {
  const NamedTensors first = create_trl(small_trl(), 7, 3)->parameters();
  const NamedTensors again = create_trl(small_trl(), 7, 3)->parameters();
  const NamedTensors other = create_trl(small_trl(), 7, 4)->parameters();
  for (size_t i = 0; i < first.size(); ++i) {
    const std::string& name = first[i].first;
    EXPECT_TRUE(same_values(first[i].second, again[i].second)) << name;
    const bool drawn = first[i].second.dim() >= 2 && name != "transformer.transform.weight";
    EXPECT_EQ(same_values(first[i].second, other[i].second), !drawn) << name;
  }
}

TEST(TrlTest, FirstWeightsAreThePublishedOnes) {
  const auto model = create_trl(parsed("trl { width: 0.5 hidden: 16 }"), 40, 1);
  for (const auto& [name, value] : model->parameters()) {
    const bool recurrent = name.find("_l0") != std::string::npos;
    if (name == "transformer.transform.bias") {
      EXPECT_TRUE(same_values(value, at::tensor({1.0f, 0.0f, 1.0f, 0.0f})));
    } else if (name.find("bn.weight") != std::string::npos) {
      EXPECT_TRUE(same_values(value, at::ones_like(value))) << name;
    } else if (value.dim() == 1 || name == "transformer.transform.weight") {
      EXPECT_TRUE(same_values(value, at::zeros_like(value))) << name;
    } else if (recurrent) {
      for (const at::Tensor& gate : value.detach().chunk(4, 0)) {
        const bool wide = gate.size(0) <= gate.size(1);
        const at::Tensor product = wide ? gate.mm(gate.t()) : gate.t().mm(gate);
        EXPECT_LT(largest_difference(product, at::eye(product.size(0))), 1e-5) << name;
      }
    } else if (value.numel() > 4000) {
      EXPECT_NEAR(value.std().item<double>(), 0.01, 0.0007) << name;
    }
  }
}

TEST(TrlTest, AtTheStartTheAlignedStreamSeesUnalignedMaps) {
  const auto model = create_trl(small_trl(), 7, 1);
  model->to(at::kDouble);
  // Weights of the main stream in the aligned one.
  std::map<std::string, at::Tensor> by_name;
  for (const auto& [name, value] : model->parameters()) by_name[name] = value;
  for (const auto& [name, value] : by_name) {
    if (name.compare(0, 7, "aligned") != 0) continue;
    const std::string twin = name.compare(0, 8, "aligned_") == 0 && name.find("classifier") == 8
                                 ? name.substr(8)
                                 : "main" + name.substr(7);
    value.detach().copy_(by_name.at(twin));
  }
  const ModelOutput output = model->forward(random_clips(2, 3), evaluation_context());
  for (const std::string part : {"_generic", "_specific"}) {
    EXPECT_LT(largest_difference(output.signature.at("main" + part),
                                 output.signature.at("aligned" + part)),
              1e-12);
  }
}

// ---- distance

Signature random_signature(int64_t tracklets, uint64_t key, std::vector<int64_t> variants = {}) {
  Signature signature;
  for (const char* name :
       {"main_generic", "main_specific", "aligned_generic", "aligned_specific"}) {
    std::vector<int64_t> shape{tracklets};
    shape.insert(shape.end(), variants.begin(), variants.end());
    shape.push_back(12);
    signature[name] = normal_tensor(shape, ++key);
  }
  return signature;
}

// Equations 14 and 16 for one tracklet.
naive::Values representation(const Signature& signature, int64_t tracklet, double alpha,
                             double main_weight, double aligned_weight) {
  naive::Values all;
  for (const auto& [stream, weight] :
       std::map<std::string, double>{{"aligned", aligned_weight}, {"main", main_weight}}) {
    const auto generic = naive::values_of(signature.at(stream + "_generic")[tracklet]);
    const auto specific = naive::values_of(signature.at(stream + "_specific")[tracklet]);
    naive::Values mixed;
    double squares = 0;
    for (size_t i = 0; i < generic.size(); ++i) {
      mixed.push_back(alpha * generic[i] + (1 - alpha) * specific[i]);
      squares += mixed.back() * mixed.back();
    }
    for (const double value : mixed) all.push_back(weight * value / std::sqrt(squares));
  }
  return all;
}

void expect_distances(const proto::Model& options, double alpha, double main_weight,
                      double aligned_weight) {
  const auto model = create_trl(options, 0, 1);
  const Signature queries = random_signature(2, 10), gallery = random_signature(3, 20);
  const at::Tensor distances = model->distance(queries, gallery);
  ASSERT_EQ(distances.sizes(), (std::vector<int64_t>{2, 3}));
  for (int64_t query = 0; query < 2; ++query) {
    for (int64_t item = 0; item < 3; ++item) {
      const auto left = representation(queries, query, alpha, main_weight, aligned_weight);
      const auto right = representation(gallery, item, alpha, main_weight, aligned_weight);
      double squares = 0;
      for (size_t i = 0; i < left.size(); ++i) {
        squares += (left[i] - right[i]) * (left[i] - right[i]);
      }
      EXPECT_NEAR(distances[query][item].item<double>(), std::sqrt(squares), 1e-12);
    }
  }
}

TEST(TrlTest, DistanceMixesByAlphaAndBetaAndChoosesStreams) {
  proto::Model options = small_trl();
  expect_distances(options, 0.3, 0.5, 0.5);
  options.mutable_trl()->set_beta(0.8);
  expect_distances(options, 0.3, 0.8, 1 - 0.8);
  options.mutable_trl()->set_scored_alpha(0);
  expect_distances(options, 0, 0.8, 1 - 0.8);
  options.mutable_trl()->set_scored_alpha(0.9);
  expect_distances(options, 0.9, 0.8, 1 - 0.8);
  options.mutable_trl()->set_streams(proto::Trl::MAIN_ONLY);
  expect_distances(options, 0.9, 1, 0);
  options.mutable_trl()->set_streams(proto::Trl::ALIGNED_ONLY);
  expect_distances(options, 0.9, 0, 1);
}

TEST(TrlTest, VariantsOfATrackletAreAveraged) {
  const auto model = create_trl(small_trl(), 0, 1);
  const Signature queries = random_signature(2, 30, {4}), gallery = random_signature(3, 40);
  Signature means;
  for (const auto& [name, value] : queries) means[name] = value.mean(1);
  EXPECT_LT(largest_difference(model->distance(queries, gallery), model->distance(means, gallery)),
            1e-12);
}

TEST(TrlTest, EveryRowsSignatureHasADistanceOfZeroToItself) {
  for (const AblationRow& row : trl_rows()) {
    proto::Model options = small_trl();
    options.MergeFrom(parsed(row.model));
    const auto model = random_model(options);
    const Signature signature = model->forward(random_clips(2, 2), evaluation_context()).signature;
    const at::Tensor distances = model->distance(signature, signature);
    EXPECT_EQ(distances.diagonal().max().item<double>(), 0) << row.name;
    EXPECT_GT(distances[0][1].item<double>(), 0) << row.name;
  }
}

TEST(TrlTest, ZeroFeaturesHaveFiniteDistances) {
  const auto model = create_trl(small_trl(), 0, 1);
  Signature zero = random_signature(1, 50);
  for (auto& [name, value] : zero) value.zero_();
  EXPECT_EQ(model->distance(zero, zero).item<double>(), 0);
}

// ---- settings and input

TEST(TrlTest, WantsImageNetsNormalisationAtItsInputSize) {
  const InputFormat format = create_trl(small_trl(), 0, 1)->input_format();
  EXPECT_EQ(format.crop_height, 64);
  EXPECT_EQ(format.crop_width, 64);
  EXPECT_EQ(format.resize_height, 64);
  EXPECT_EQ(format.colour, InputColour::kRgb);
  EXPECT_TRUE(format.fixed_normalisation);
  EXPECT_FLOAT_EQ(format.mean[0], 0.485f);
  EXPECT_FLOAT_EQ(format.deviation[2], 0.225f);
}

TEST(TrlTest, RefusesSettingsOutOfRangeByName) {
  const auto refused = [](const std::string& field, const std::string& settings) {
    const std::string text = common::failure_text<common::InputError>(
        [&] { create_trl(parsed("trl { " + settings + " }"), 0, 1); });
    EXPECT_TRUE(common::contains(text, "model.trl." + field)) << settings << ": " << text;
  };
  refused("width", "width: 0");
  refused("width", "width: nan");
  refused("input_size", "input_size: 100");
  refused("input_size", "input_size: 0");
  refused("hidden", "hidden: 0");
  refused("localisation_hidden", "localisation_hidden: -1");
  refused("localisation_channels", "localisation_channels: 0");
  refused("alpha", "alpha: 1.1");
  refused("beta", "beta: -0.1");
  refused("beta", "beta: nan");
  refused("dropout", "dropout: 1");
  refused("scored_alpha", "scored_alpha: 2");
  refused("scored_alpha", "scored_alpha: nan");
  refused("scored_alpha", "scored_alpha: 0.5 temporal: GENERIC");
  refused("streams", "streams: ALIGNED_ONLY alignment: UNALIGNED");
}

TEST(TrlTest, RefusesSettingsWithoutEffectByName) {
  for (const std::string settings :
       {"localisation_hidden: 256 alignment: UNALIGNED",
        "localisation_channels: 8 alignment: UNALIGNED", "dropout: 0.5 alignment: UNALIGNED",
        "beta: 0.5 alignment: UNALIGNED", "localisation_hidden: 4 alignment: SPATIAL",
        "dropout: 0 alignment: SPATIAL", "alpha: 0.5 temporal: SPECIFIC",
        "alpha: 0.3 temporal: ONE_DIRECTION", "hidden: 6 frame_level: true",
        "temporal: GENERIC frame_level: true", "alpha: 0.3 frame_level: true"}) {
    const std::string text = common::failure_text<common::InputError>(
        [&] { create_trl(parsed("trl { " + settings + " }"), 0, 1); });
    const std::string field = settings.substr(0, settings.find(':'));
    EXPECT_TRUE(common::contains(text, "model.trl." + field + ": has no effect"))
        << settings << ": " << text;
  }
}

// Sizes that are allowed by themselves, whose product would not fit any memory.
TEST(TrlTest, RefusesLayersTooLargeByName) {
  for (const std::string settings :
       {"hidden: 16385", "hidden: 65536 temporal: GENERIC", "localisation_channels: 65536",
        "localisation_hidden: 65536"}) {
    const std::string text = common::failure_text<common::InputError>(
        [&] { create_trl(parsed("trl { " + settings + " }"), 0, 1); });
    const std::string field = settings.substr(0, settings.find(':'));
    EXPECT_TRUE(common::contains(text, "model.trl." + field + ": ")) << settings << ": " << text;
    EXPECT_TRUE(common::contains(text, "more than 2147483648 weights")) << text;
  }
}

}  // namespace
}  // namespace muster::models
