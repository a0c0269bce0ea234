#include <ATen/ATen.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "models/model_catalog.h"
#include "models/stal/network.h"
#include "models/stal/part_boxes.h"
#include "tests/common/support.h"
#include "tests/models/accepted_settings.h"
#include "tests/models/naive_stal.h"
#include "tests/models/random_weights.h"

namespace muster::models {
namespace {

proto::Model stal_options(const std::string& settings) {
  proto::Model options;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString("stal { " + settings + " }", &options))
      << settings;
  return options;
}

// Channels a sixteenth of the published ones, 64 pixels.
proto::Model small_stal(const std::string& settings = "") {
  proto::Model options = stal_options("width: 0.0625 input_size: 64 part_size: 5 " + settings);
  clear_fields_without_effect(options);
  return options;
}

std::unique_ptr<Model> random_stal(const proto::Model& options, int64_t identities = 4) {
  auto model = create_stal(options, identities, 1);
  model->to(at::kDouble);
  randomise_weights(weights_of(*model));
  return model;
}

ModelInput stal_clips(int64_t clips, int64_t frames, int64_t size = 64, uint64_t key = 1) {
  ModelInput input;
  input.clips = normal_tensor({clips, frames, 3, size, size}, key);
  return input;
}

// All of a row's settings in the small network.
proto::Model small_row(const AblationRow& row) {
  proto::Model options, settings;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(row.model, &settings)) << row.model;
  options = small_stal();
  options.MergeFrom(settings);
  clear_fields_without_effect(options);
  return options;
}

// ---- the whole network

void expect_plain_loops(const ModelOutput& output, const at::Tensor& clips,
                        const std::vector<std::vector<std::vector<naive::Box>>>& boxes,
                        const Model& model) {
  const naive::Weights weights = naive::weights_of(weights_of(model));
  for (int64_t clip = 0; clip < clips.size(0); ++clip) {
    const naive::StalOutput expected =
        naive::stal(clips[clip], boxes[static_cast<size_t>(clip)], weights);
    EXPECT_EQ(output.signature.size(), expected.signature.size());
    EXPECT_EQ(output.logits.size(), expected.logits.size());
    const auto compare = [&](const std::string& name, const at::Tensor& measured,
                             const naive::Values& values) {
      const at::Tensor other = at::tensor(values, at::kDouble);
      ASSERT_EQ(measured.numel(), other.numel()) << name;
      EXPECT_LT(largest_difference(measured.flatten(), other), 1e-10) << name;
      EXPECT_GT(other.abs().max().item<double>(), 1e-3) << name;
    };
    for (const auto& [name, values] : expected.signature) {
      compare(name, output.signature.at(name)[clip], values);
    }
    for (const auto& [name, values] : expected.logits) {
      compare(name, output.logits.at(name)[clip], values);
    }
  }
}

TEST(StalTest, WithFixedBoxesTheWholeNetworkEqualsPlainLoops) {
  for (const char* settings :
       {"", "global_size: 3", "attention_branch: false", "pool_parts: true"}) {
    const auto model = random_stal(small_stal(settings));
    const ModelInput input = stal_clips(2, 2);
    const ModelOutput output = model->forward(input, evaluation_context());
    EXPECT_EQ(output.logits.at("parts").sizes(), (std::vector<int64_t>{2, 2, 6, 4}));
    EXPECT_EQ(output.signature.at("parts").sizes(), (std::vector<int64_t>{2, 6, 5}));
    const std::vector<std::vector<naive::Box>> fixed(2, naive::fixed_boxes(64, 64));
    expect_plain_loops(output, input.clips, {fixed, fixed}, *model);
  }
}

// The mask multiplies the output of layer3.3; parts leave behind layer3.2.
TEST(StalTest, OnResNet50TheWholeNetworkEqualsPlainLoops) {
  for (const char* settings :
       {"pool_parts: true", "pool_parts: false", "pool_parts: true attention_branch: false"}) {
    const auto model = random_stal(small_stal(std::string("backbone: RESNET50 ") + settings));
    const ModelInput input = stal_clips(2, 2);
    const std::vector<std::vector<naive::Box>> fixed(2, naive::fixed_boxes(64, 64));
    expect_plain_loops(model->forward(input, evaluation_context()), input.clips, {fixed, fixed},
                       *model);
  }
}

TEST(StalTest, AuxiliaryHeadsOfTheWholeNetworkLookAtTheirBlocks) {
  const auto model = random_stal(small_stal("auxiliary_heads: true"));
  const ModelInput input = stal_clips(2, 2);
  const ModelOutput output = model->forward(input, evaluation_context());
  for (const char* head : {"auxiliary_early", "auxiliary_late"}) {
    EXPECT_EQ(output.logits.at(head).sizes(), (std::vector<int64_t>{2, 2, 4})) << head;
  }
  const std::vector<std::vector<naive::Box>> fixed(2, naive::fixed_boxes(64, 64));
  expect_plain_loops(output, input.clips, {fixed, fixed}, *model);
}

TEST(StalTest, WithJointsAndWithGivenBoxesItEqualsPlainLoops) {
  const auto model = random_stal(small_stal("boxes: BOXES_OF_JOINTS"));
  EXPECT_TRUE(model->input_format().joints);
  ModelInput input = stal_clips(2, 2);
  input.joints = 30 + 15 * normal_tensor({2, 2, 14, 3}, 3);
  input.joints.select(3, 2).copy_(normal_tensor({2, 2, 14}, 4).gt(-1));
  std::vector<std::vector<std::vector<naive::Box>>> boxes(2), given(2);
  for (int64_t clip = 0; clip < 2; ++clip) {
    for (int64_t t = 0; t < 2; ++t) {
      boxes[static_cast<size_t>(clip)].push_back(
          naive::boxes_of_joints(naive::values_of(input.joints[clip][t]), 64, 64));
    }
  }
  expect_plain_loops(model->forward(input, evaluation_context()), input.clips, boxes, *model);
  // Boxes that are given come before joints.
  input.boxes = at::empty({2, 2, 6, 4}, at::kDouble);
  for (int64_t i = 0; i < 24; ++i) {
    const double x = static_cast<double>(i), y = static_cast<double>(i % 5 * 7);
    const naive::Box box = {x, y, x + 40, y + 21};
    given[static_cast<size_t>(i / 12)].resize(2);
    given[static_cast<size_t>(i / 12)][static_cast<size_t>(i / 6 % 2)].push_back(box);
    for (int64_t k = 0; k < 4; ++k) {
      input.boxes[i / 12][i / 6 % 2][i % 6][k] = box[static_cast<size_t>(k)];
    }
  }
  expect_plain_loops(model->forward(input, evaluation_context()), input.clips, given, *model);
}

TEST(StalTest, BranchesHaveWhatBelongsToThemAndNoMore) {
  const auto names = [](const std::string& settings) {
    const auto model = random_stal(small_stal(settings));
    const ModelOutput output = model->forward(stal_clips(1, 2), evaluation_context());
    std::string text;
    for (const auto& [name, value] : output.signature) text += name + " ";
    for (const auto& [name, value] : output.logits) text += "logits." + name + " ";
    return text;
  };
  EXPECT_EQ(names("branches: GLOBAL_BRANCH"), "global logits.identity ");
  EXPECT_EQ(names("branches: PART_BRANCH"), "attention parts parts_mean logits.parts ");
  for (const auto& [name, value] : random_stal(small_stal("branches: PART_BRANCH"))->parameters()) {
    for (const char* other : {"4c", "4d", "4e", "5a", "5b"}) {
      EXPECT_EQ(name.find(std::string("backbone.inception") + other), std::string::npos) << name;
    }
  }
  EXPECT_TRUE(
      random_stal(small_stal(), 0)->forward(stal_clips(1, 1), evaluation_context()).logits.empty());
}

TEST(StalTest, BranchesAloneAreThoseOfTheWhole) {
  const auto whole = random_stal(small_stal());
  const ModelInput input = stal_clips(2, 3);
  const ModelOutput expected = whole->forward(input, evaluation_context());
  std::map<std::string, at::Tensor> weights;
  for (const auto& [name, value] : weights_of(*whole)) weights[name] = value;
  for (const char* branch : {"GLOBAL_BRANCH", "PART_BRANCH"}) {
    const auto alone = random_stal(small_stal(std::string("branches: ") + branch));
    for (const auto& [name, value] : weights_of(*alone)) value.detach().copy_(weights.at(name));
    const ModelOutput output = alone->forward(input, evaluation_context());
    for (const auto& [name, value] : output.signature) {
      EXPECT_LT(largest_difference(value, expected.signature.at(name)), 1e-12) << name;
    }
  }
}

TEST(StalTest, WithResNet50PartsGoThroughACopyOfLayerFour) {
  const auto model = random_stal(small_stal("backbone: RESNET50 pool_parts: true"));
  std::map<std::string, at::Tensor> weights;
  for (const auto& [name, value] : weights_of(*model)) weights[name] = value;
  EXPECT_EQ(weights.at("part3.fc.weight").sizes(), (std::vector<int64_t>{5, 128}));
  EXPECT_EQ(weights.at("ran.conv1.weight").size(1), 64);
  const ModelOutput output = model->forward(stal_clips(1, 1), evaluation_context());
  EXPECT_EQ(output.signature.at("global").sizes(), (std::vector<int64_t>{1, 128}));
  EXPECT_EQ(output.signature.at("parts").sizes(), (std::vector<int64_t>{1, 6, 5}));
  EXPECT_EQ(weights.count("part6.trunk.layer4.2.conv3.weight"), 1U);
  EXPECT_EQ(weights.count("part6.trunk.layer3.5.conv3.weight"), 0U);
}

// ---- parameters

int64_t stal_parameters(const std::string& settings, const std::string& prefix = "") {
  const StalNetwork network(stal_options(settings).stal(), 0);
  NamedTensors parameters;
  for (const auto& item : network.named_parameters()) {
    parameters.emplace_back(item.key(), item.value());
  }
  return element_count(parameters, prefix);
}

TEST(StalTest, PartsHaveTheSpecifiedParameters) {
  const int64_t flattened = stal_parameters("branches: PART_BRANCH", "part2");
  const int64_t pooled = stal_parameters("branches: PART_BRANCH pool_parts: true", "part2");
  EXPECT_EQ(flattened, 20221952);  // 20.2 million
  EXPECT_EQ(flattened - pooled, 15 * 1024 * 1024);
  EXPECT_EQ(pooled, 4493312);  // 4.5 million
}

TEST(StalTest, CatalogueHasTheRowsOfThePaper) {
  std::map<std::string, int> tables;
  for (const AblationRow& row : stal_rows()) {
    ++tables[row.table];
    EXPECT_NO_THROW(create_stal(small_row(row), 2, 1)) << row.name;
  }
  const std::map<std::string, int> expected = {
      {"Figure 5", 4},  {"Figure 6", 6},   {"Figure 7", 7}, {"Figure 8", 11},
      {"Figure 9", 10}, {"Figure 10", 10}, {"Table V", 1}};
  EXPECT_EQ(tables, expected);
}

// ---- first weights

TEST(StalTest, EveryPartStartsAsACopyOfTheBackbonesBlocks) {
  for (const char* settings : {"", "backbone: RESNET50"}) {
    std::map<std::string, at::Tensor> weights;
    for (const auto& [name, value] : create_stal(small_stal(settings), 3, 7)->parameters()) {
      weights[name] = value;
    }
    int copies = 0;
    for (const auto& [name, value] : weights) {
      if (name.compare(0, 4, "part") != 0 || name.compare(6, 6, "trunk.") != 0) continue;
      EXPECT_TRUE(same_values(value, weights.at("backbone." + name.substr(12)))) << name;
      ++copies;
    }
    EXPECT_GT(copies, 6 * 20);
    EXPECT_FALSE(same_values(weights.at("part1.fc.weight"), weights.at("part2.fc.weight")));
  }
}

TEST(StalTest, FirstWeightsAreAFunctionOfTheSeed) {
  const NamedTensors first = create_stal(small_stal(), 3, 3)->parameters();
  const NamedTensors again = create_stal(small_stal(), 3, 3)->parameters();
  const NamedTensors other = create_stal(small_stal(), 3, 4)->parameters();
  for (size_t i = 0; i < first.size(); ++i) {
    const std::string& name = first[i].first;
    EXPECT_TRUE(same_values(first[i].second, again[i].second)) << name;
    const bool drawn = first[i].second.dim() >= 2 && name != "attention.fc.weight";
    EXPECT_EQ(same_values(first[i].second, other[i].second), !drawn) << name;
    if (name.find("bias") != std::string::npos) {
      EXPECT_EQ(first[i].second.abs().max().item<double>(), 0) << name;
    } else if (first[i].second.dim() == 1) {
      EXPECT_TRUE(same_values(first[i].second, at::ones_like(first[i].second))) << name;
    }
  }
}

TEST(StalTest, AtTheStartAttentionChangesNoFeature) {
  const auto model = create_stal(small_stal(), 3, 1);
  model->to(at::kDouble);
  const Signature signature = model->forward(stal_clips(2, 3), evaluation_context()).signature;
  EXPECT_LT(largest_difference(signature.at("parts"), signature.at("parts_mean")), 1e-12);
}

// ---- gradients, no clips

TEST(StalTest, GradientsEqualFiniteDifferences) {
  for (const int64_t clips : {1, 2}) {
    const auto model =
        random_stal(stal_options("width: 0.03125 input_size: 64 part_size: 3 global_size: 3"));
    const ModelInput input = stal_clips(clips, 2);
    NamedTensors parameters;
    for (const auto& [name, value] : model->parameters()) {
      const bool backbone = name.find("backbone") == 0;
      const bool part = name.find("part") == 0 && name.find("part5") != 0;
      if (part || (backbone && name.find("4c.double") == std::string::npos)) continue;
      parameters.emplace_back(name, value);
    }
    expect_derivatives(parameters, [&] {
      const ModelOutput output = model->forward(input, training_context({8, 9}));
      at::Tensor sum = at::zeros({}, at::kDouble);
      for (const auto& [head, logits] : output.logits) {
        sum = sum + (logits * normal_tensor(logits.sizes(), 5)).mean();
      }
      for (const auto& [name, value] : output.signature) {
        sum = sum + (value * normal_tensor(value.sizes(), 6)).mean();
      }
      return sum;
    });
  }
}

// The statistics of a rank whose peer has something.
class PeerHasSome : public StatisticsExchange {
 public:
  at::Tensor sum(const at::Tensor& local) override { return local + 3; }
  bool alone() const override { return false; }
};

TEST(StalTest, NoClipsGiveEmptyAnswersAndZeroGradients) {
  PeerHasSome peer;
  for (const AblationRow& row : stal_rows()) {
    if (row.table == "Figure 9" || row.table == "Figure 7") continue;
    const auto model = random_stal(small_row(row));
    ForwardContext context = training_context({});
    context.statistics = &peer;
    const ModelOutput output = model->forward(stal_clips(0, 3), context);
    at::Tensor sum = at::zeros({}, at::kDouble);
    for (const auto& [head, logits] : output.logits) sum = sum + logits.sum();
    for (const auto& [name, value] : output.signature) {
      EXPECT_EQ(value.size(0), 0) << name;
      sum = sum + value.sum();
    }
    sum.backward();
    for (const auto& [name, value] : model->parameters()) {
      ASSERT_TRUE(value.grad().defined()) << row.name << " " << name;
      EXPECT_EQ(value.grad().nan_to_num(1).abs().max().item<double>(), 0) << name;
    }
  }
}

TEST(StalTest, EveryRowsTrainingStepLowersItsLoss) {
  for (const AblationRow& row : stal_rows()) {
    const auto model = random_stal(small_row(row));
    const ModelInput input = stal_clips(2, 2);
    const auto loss = [&] {
      const ModelOutput output = model->forward(input, training_context({1, 2}));
      at::Tensor sum = at::zeros({}, at::kDouble);
      for (const auto& [head, logits] : output.logits) {
        sum = sum - logits.log_softmax(-1).select(-1, 2).mean();
      }
      return sum;
    };
    const at::Tensor before = loss();
    before.backward();
    double squares = 0;
    for (const auto& [name, value] : model->parameters()) {
      if (value.grad().defined()) squares += value.grad().square().sum().item<double>();
    }
    // A step that should lower the loss by 1e-7.
    for (const auto& [name, value] : model->parameters()) {
      if (value.grad().defined()) value.detach().sub_(value.grad(), 1e-7 / squares);
    }
    EXPECT_NEAR(before.item<double>() - loss().item<double>(), 1e-7, 5e-8) << row.name;
  }
}

// ---- distance

Signature stal_signature(int64_t tracklets, uint64_t key, std::vector<int64_t> variants = {}) {
  Signature signature;
  const auto add = [&](const std::string& name, std::vector<int64_t> axes) {
    std::vector<int64_t> shape{tracklets};
    shape.insert(shape.end(), variants.begin(), variants.end());
    shape.insert(shape.end(), axes.begin(), axes.end());
    signature[name] = normal_tensor(shape, ++key);
  };
  add("global", {4});
  add("parts", {6, 5});
  add("parts_mean", {6, 5});
  add("attention", {6});
  signature["attention"] = signature["attention"].sigmoid();
  return signature;
}

struct PlainDistance {
  bool temporal = true, spatial = true;
  double local_weight = 1, global_weight = 0.3;
  size_t only_part = 0;

  double operator()(const Signature& left, int64_t i, const Signature& right, int64_t j) const {
    const auto parts = [&](const Signature& signature, int64_t row) {
      std::vector<naive::Values> all;
      const at::Tensor value = signature.at(temporal ? "parts" : "parts_mean")[row];
      for (int64_t r = 0; r < 6; ++r) all.push_back(naive::values_of(value[r]));
      return all;
    };
    const auto attention = [&](const Signature& signature, int64_t row) {
      return spatial ? naive::values_of(signature.at("attention")[row]) : naive::Values(6, 1);
    };
    if (only_part > 0) {
      return naive::euclidean(parts(left, i)[only_part - 1], parts(right, j)[only_part - 1]);
    }
    return local_weight * naive::attentive_distance(parts(left, i), attention(left, i),
                                                    parts(right, j), attention(right, j)) +
           global_weight * naive::euclidean(naive::values_of(left.at("global")[i]),
                                            naive::values_of(right.at("global")[j]));
  }
};

void expect_distance(const std::string& settings, const PlainDistance& plain) {
  const auto model = create_stal(small_stal(settings), 0, 1);
  const Signature queries = stal_signature(2, 10), gallery = stal_signature(3, 20);
  const at::Tensor distances = model->distance(queries, gallery);
  ASSERT_EQ(distances.sizes(), (std::vector<int64_t>{2, 3}));
  for (int64_t i = 0; i < 2; ++i) {
    for (int64_t j = 0; j < 3; ++j) {
      EXPECT_NEAR(distances[i][j].item<double>(), plain(queries, i, gallery, j), 1e-10) << settings;
    }
  }
}

TEST(StalTest, DistanceAddsTheGlobalOneByTheFusionRate) {
  expect_distance("", {});
  expect_distance("fusion_rate: 0.7", {true, true, 1, 0.7, 0});
  expect_distance("fusion_rate: 0", {true, true, 1, 0, 0});
}

TEST(StalTest, AttentionIsSwitchedOffAfterwards) {
  expect_distance("attention: NO_ATTENTION", {false, false, 1, 0.3, 0});
  expect_distance("attention: TEMPORAL_ATTENTION", {true, false, 1, 0.3, 0});
  expect_distance("attention: SPATIAL_ATTENTION", {false, true, 1, 0.3, 0});
  // Of parts that all count alike, each has 1/36.
  const auto model = create_stal(small_stal("attention: NO_ATTENTION fusion_rate: 0"), 0, 1);
  const Signature queries = stal_signature(1, 10), gallery = stal_signature(1, 20);
  const at::Tensor mean =
      (queries.at("parts_mean") - gallery.at("parts_mean")).square().sum(2).sqrt().sum() / 36;
  EXPECT_LT(largest_difference(model->distance(queries, gallery).squeeze(), mean), 1e-12);
}

TEST(StalTest, BranchesAndPartsAreScoredAlone) {
  expect_distance("scored: SCORED_GLOBAL", {true, true, 0, 1, 0});
  expect_distance("scored: SCORED_PARTS", {true, true, 1, 0, 0});
  expect_distance("branches: GLOBAL_BRANCH", {true, true, 0, 1, 0});
  expect_distance("branches: PART_BRANCH", {true, true, 1, 0, 0});
  for (size_t part = 1; part <= 6; ++part) {
    const std::string only = "only_part: " + std::to_string(part);
    expect_distance(only, {true, true, 1, 0, part});
    expect_distance(only + " attention: NO_ATTENTION", {false, false, 1, 0, part});
  }
}

TEST(StalTest, VariantsOfATrackletAreAveraged) {
  const auto model = create_stal(small_stal(), 0, 1);
  const Signature queries = stal_signature(2, 30, {3}), gallery = stal_signature(2, 40, {3});
  Signature mean_queries, mean_gallery;
  for (const auto& [name, value] : queries) mean_queries[name] = value.mean(1);
  for (const auto& [name, value] : gallery) mean_gallery[name] = value.mean(1);
  EXPECT_LT(largest_difference(model->distance(queries, gallery),
                               model->distance(mean_queries, mean_gallery)),
            1e-12);
}

TEST(StalTest, BoxesOfAnotherNumberOfPartsAreRefused) {
  const auto model = random_stal(small_stal());
  for (const int64_t parts : {0, 5, 7}) {
    ModelInput input = stal_clips(1, 2);
    input.boxes = at::zeros({1, 2, parts, 4}, at::kDouble);
    const std::string text = common::failure_text<common::InputError>(
        [&] { model->forward(input, evaluation_context()); });
    EXPECT_TRUE(common::contains(text, "boxes: are of " + std::to_string(parts) + " parts"))
        << text;
  }
}

// ---- settings

TEST(StalTest, InputIsBgrOfTwoHundredAndFiftySixStepsLessTheMeans) {
  const InputFormat format = create_stal(small_stal(), 0, 1)->input_format();
  EXPECT_EQ(format.colour, InputColour::kBgr);
  EXPECT_EQ(format.interpolation, InputInterpolation::kBicubic);
  const std::array<float, 3> means{104, 117, 123};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(format.mean[i] / format.deviation[i], means[i], 1e-3);
    EXPECT_NEAR((1 - format.mean[i]) / format.deviation[i], 255 - means[i], 1e-3);
  }
  EXPECT_FALSE(format.joints);
  EXPECT_EQ(create_stal(stal_options("width: 0.0625 branches: GLOBAL_BRANCH"), 0, 1)
                ->input_format()
                .crop_height,
            224);
}

TEST(StalTest, SettingsOutOfRangeOrWithoutMeaningAreRefused) {
  for (const std::string settings :
       {"width: 0", "width: 17", "input_size: 100", "input_size: 0", "global_size: -1",
        "part_size: 0", "attention_channels: 0", "only_part: 7", "only_part: -1",
        "fusion_rate: -0.1", "fusion_rate: nan", "only_part: 1 branches: GLOBAL_BRANCH",
        "scored: SCORED_PARTS branches: GLOBAL_BRANCH",
        "scored: SCORED_GLOBAL branches: PART_BRANCH", "global_size: 3 branches: PART_BRANCH",
        "only_part: 1 scored: SCORED_GLOBAL"}) {
    const std::string field = settings.substr(0, settings.find(':'));
    const std::string text = common::failure_text<common::InputError>(
        [&] { create_stal(stal_options(settings), 0, 1); });
    EXPECT_TRUE(common::contains(text, "model.stal." + field)) << settings << " -> " << text;
  }
}

TEST(StalTest, SettingsWithoutEffectAreRefusedByName) {
  for (const std::string settings :
       {"boxes: FIXED_BOXES branches: GLOBAL_BRANCH", "part_size: 1024 branches: GLOBAL_BRANCH",
        "pool_parts: false branches: GLOBAL_BRANCH",
        "attention_channels: 8 branches: GLOBAL_BRANCH",
        "attention: NO_ATTENTION branches: GLOBAL_BRANCH", "fusion_rate: 1 branches: GLOBAL_BRANCH",
        "attention_branch: true branches: PART_BRANCH", "fusion_rate: 1 branches: PART_BRANCH"}) {
    const std::string field = settings.substr(0, settings.find(':'));
    const std::string text = common::failure_text<common::InputError>(
        [&] { create_stal(stal_options(settings), 0, 1); });
    EXPECT_TRUE(common::contains(text, "model.stal." + field + ": has no effect"))
        << settings << " -> " << text;
  }
}

// Sizes that are allowed by themselves, whose product would not fit any memory.
TEST(StalTest, LayersTooLargeAreRefusedByName) {
  for (const std::string settings :
       {"part_size: 65536 width: 16", "attention_channels: 4096 width: 16"}) {
    const std::string field = settings.substr(0, settings.find(':'));
    const std::string text = common::failure_text<common::InputError>(
        [&] { create_stal(stal_options(settings), 0, 1); });
    EXPECT_TRUE(common::contains(text, "model.stal." + field + ": with width"))
        << settings << " -> " << text;
    EXPECT_TRUE(common::contains(text, "more than 2147483648 weights")) << text;
  }
}

}  // namespace
}  // namespace muster::models
