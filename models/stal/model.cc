// STAL (Song et al. 2018) as a Model: input, distance, settings.
#include <ATen/ATen.h>

#include <cmath>

#include "common/error.h"
#include "models/backbones/bn_inception.h"
#include "models/backbones/resnet50.h"
#include "models/layers/convolution.h"
#include "models/model_catalog.h"
#include "models/network_model.h"
#include "models/setting_checks.h"
#include "models/stal/aggregation.h"
#include "models/stal/network.h"

namespace muster::models {
namespace {

class Stal : public NetworkModel<Model> {
 public:
  Stal(std::shared_ptr<StalNetwork> network, const proto::Stal& options, uint64_t seed)
      : NetworkModel(network), network_(std::move(network)), options_(options) {
    network_->reset(seed);
  }
  InputFormat input_format() const override {
    InputFormat format = caffe_format(options_.input_size(), InputInterpolation::kBicubic);
    format.boxes = options_.branches() != proto::Stal::GLOBAL_BRANCH;
    format.joints = format.boxes && options_.boxes() == proto::Stal::BOXES_OF_JOINTS;
    return format;
  }
  ModelOutput forward(const ModelInput& input, const ForwardContext& context) override {
    require_square_clips(input, options_.input_size());
    return network_->forward(input, context);
  }
  // d = d_l + fusion_rate d_g, or what the settings of scoring leave of it.
  at::Tensor distance(const Signature& queries, const Signature& gallery) const override {
    const bool has_global = options_.branches() != proto::Stal::PART_BRANCH;
    const bool has_parts = options_.branches() != proto::Stal::GLOBAL_BRANCH;
    if (options_.only_part() > 0) return part_distance(queries, gallery);
    if (!has_parts || options_.scored() == proto::Stal::SCORED_GLOBAL) {
      return global_distances(queries, gallery);
    }
    const at::Tensor local = local_distance(queries, gallery);
    if (!has_global || options_.scored() == proto::Stal::SCORED_PARTS) return local;
    return local + options_.fusion_rate() * global_distances(queries, gallery);
  }

 private:
  // Tensor `name`, whose axes without that of variants are `axes`; variants of a tracklet are
  // averaged.
  static at::Tensor of(const Signature& signature, const std::string& name, int64_t axes) {
    const auto found = signature.find(name);
    MUSTER_REQUIRE(found != signature.end(), ==, true);
    return mean_of_variants(found->second, axes);
  }
  static at::Tensor global_distances(const Signature& queries, const Signature& gallery) {
    // Mode 2: never by a matrix product, which loses small distances.
    return at::cdist(of(queries, "global", 2), of(gallery, "global", 2), 2.0, 2);
  }
  // f^r: by the scores of frames, or plain means where temporal attention is off.
  at::Tensor parts(const Signature& signature) const {
    const bool temporal = options_.attention() == proto::Stal::SPATIAL_TEMPORAL_ATTENTION ||
                          options_.attention() == proto::Stal::TEMPORAL_ATTENTION;
    return of(signature, temporal ? "parts" : "parts_mean", 3);
  }
  // abar^r: ones where spatial attention is off.
  at::Tensor attention(const Signature& signature) const {
    const bool spatial = options_.attention() == proto::Stal::SPATIAL_TEMPORAL_ATTENTION ||
                         options_.attention() == proto::Stal::SPATIAL_ATTENTION;
    const at::Tensor scores = of(signature, "attention", 2);
    return spatial ? scores : at::ones_like(scores);
  }
  at::Tensor local_distance(const Signature& queries, const Signature& gallery) const {
    return attentive_distances(parts(queries), attention(queries), parts(gallery),
                               attention(gallery));
  }
  // Euclidean, of one body part.
  at::Tensor part_distance(const Signature& queries, const Signature& gallery) const {
    const int64_t part = options_.only_part() - 1;
    return at::cdist(parts(queries).select(1, part).contiguous(),
                     parts(gallery).select(1, part).contiguous(), 2.0, 2);
  }

  const std::shared_ptr<StalNetwork> network_;
  const proto::Stal options_;
};

void demand_of_stal(bool holds, const std::string& field, double value, const std::string& range) {
  demand_setting(holds, "model.stal." + field, value, range);
}

void refuse_of_stal(bool refused, const std::string& field, const std::string& problem,
                    const std::string& remedy) {
  if (refused) throw common::InputError("model.stal." + field, problem, remedy);
}

// Settings that speak of what is not there.
void check_stal_branches(const proto::Stal& stal) {
  const bool no_global = stal.branches() == proto::Stal::PART_BRANCH;
  const bool no_parts = stal.branches() == proto::Stal::GLOBAL_BRANCH;
  const std::string remedy = "choose other branches, or leave it out";
  refuse_of_stal(no_parts && stal.only_part() > 0, "only_part", "the network has no part branch",
                 remedy);
  refuse_of_stal(no_parts && stal.scored() == proto::Stal::SCORED_PARTS, "scored",
                 "SCORED_PARTS of a network that has no part branch", remedy);
  refuse_of_stal(no_global && stal.scored() == proto::Stal::SCORED_GLOBAL, "scored",
                 "SCORED_GLOBAL of a network that has no global branch", remedy);
  refuse_of_stal(no_global && stal.global_size() > 0, "global_size",
                 "the network has no global branch", remedy);
  refuse_of_stal(stal.only_part() > 0 && stal.scored() == proto::Stal::SCORED_GLOBAL, "only_part",
                 "a part is not of the global branch, which alone is scored",
                 "leave out scored or only_part");
}

void refuse_idle_fields_of_stal(const proto::Stal& stal) {
  if (stal.branches() == proto::Stal::GLOBAL_BRANCH) {
    refuse_without_effect(
        stal, "model.stal",
        {"boxes", "part_size", "pool_parts", "attention_channels", "attention", "fusion_rate"},
        "the network has no part branch");
  }
  if (stal.branches() == proto::Stal::PART_BRANCH) {
    refuse_without_effect(stal, "model.stal",
                          {"attention_branch", "fusion_rate", "auxiliary_heads"},
                          "the network has no global branch");
  }
  if (stal.backbone() == proto::Stal::RESNET50) {
    refuse_without_effect(stal, "model.stal", {"auxiliary_heads"},
                          "they are of BN_INCEPTION's blocks 3c and 4e");
  }
}

void check_layers_of_stal(const proto::Stal& stal) {
  const auto layer = [](const std::vector<std::string>& fields,
                        std::initializer_list<int64_t> sizes) {
    demand_layer_size("model.stal", fields, sizes);
  };
  const bool resnet = stal.backbone() == proto::Stal::RESNET50;
  const auto channels = [&](const char* block) {
    return resnet ? ResNet50::channels_of(ResNet50::kBlocks - 1, stal.width())
                  : BnInceptionBlock::channels_of(block, stal.width());
  };
  if (stal.branches() != proto::Stal::PART_BRANCH && stal.global_size() > 0) {
    layer({"global_size", "width"}, {stal.global_size(), channels("5b")});
  }
  if (stal.branches() == proto::Stal::GLOBAL_BRANCH) return;
  const int64_t places = stal.pool_parts() ? 1 : 16;
  layer({"part_size", "width", "pool_parts"}, {stal.part_size(), channels("4e"), places});
  const int64_t of_attention = scaled_channels(stal.attention_channels(), stal.width());
  layer({"attention_channels", "width"}, {9, of_attention, of_attention});
}

void check_stal(const proto::Stal& stal) {
  const auto size = [](const std::string& field, int32_t value, int32_t least, int32_t most) {
    demand_of_stal(value >= least && value <= most, field, value,
                   "in " + std::to_string(least) + " to " + std::to_string(most));
  };
  demand_of_stal(stal.width() > 0 && stal.width() <= 16, "width", stal.width(), "in (0, 16]");
  demand_of_stal(
      stal.input_size() >= 32 && stal.input_size() <= 2048 && stal.input_size() % 32 == 0,
      "input_size", stal.input_size(), "a multiple of 32 in 32 to 2048");
  size("global_size", stal.global_size(), 0, 65536);
  size("part_size", stal.part_size(), 1, 65536);
  size("attention_channels", stal.attention_channels(), 1, 4096);
  size("only_part", stal.only_part(), 0, 6);
  demand_of_stal(stal.fusion_rate() >= 0 && std::isfinite(stal.fusion_rate()), "fusion_rate",
                 stal.fusion_rate(), "a number of at least 0");
  check_stal_branches(stal);
  refuse_idle_fields_of_stal(stal);
  check_layers_of_stal(stal);
}

}  // namespace

std::unique_ptr<Model> create_stal(const proto::Model& options, int64_t identities, uint64_t seed) {
  check_stal(options.stal());
  return std::make_unique<Stal>(std::make_shared<StalNetwork>(options.stal(), identities),
                                options.stal(), seed);
}

namespace {

void add_sweeps_of_stal(std::vector<AblationRow>& rows) {
  for (int tenths = 0; tenths <= 10; ++tenths) {
    const std::string rate = tenth_text(tenths);
    rows.push_back({"fusion rate " + rate, "Figure 8", "stal { fusion_rate: " + rate + " }"});
  }
  for (const std::string branch : {"global", "local"}) {
    for (const char* size : {"128", "256", "512", "1024", "2048"}) {
      const std::string field = branch == "global" ? "global_size: " : "part_size: ";
      rows.push_back(
          {branch + " embedding size " + size, "Figure 9", "stal { " + field + size + " }"});
    }
  }
  for (const std::string branch : {"global", "local"}) {
    for (const char* margin : {"0.4", "0.8", "1.2", "1.6", "2.0"}) {
      const std::string field = branch == "global" ? "global_margin: " : "part_margin: ";
      rows.push_back({branch + " margin " + margin, "Figure 10", "stal { }",
                      "identity { } attentive_triplet { " + field + margin + " }"});
    }
  }
}

}  // namespace

std::vector<AblationRow> stal_rows() {
  std::vector<AblationRow> rows = {{"Baseline", "Figure 5", "stal { attention: NO_ATTENTION }"},
                                   {"TAN", "Figure 5", "stal { attention: TEMPORAL_ATTENTION }"},
                                   {"SAN", "Figure 5", "stal { attention: SPATIAL_ATTENTION }"},
                                   {"STAL", "Figure 5", "stal { }"},
                                   {"PGB", "Figure 6", "stal { branches: GLOBAL_BRANCH }"},
                                   {"PLB", "Figure 6", "stal { branches: PART_BRANCH }"},
                                   {"GB", "Figure 6", "stal { scored: SCORED_GLOBAL }"},
                                   {"LB", "Figure 6", "stal { scored: SCORED_PARTS }"},
                                   {"w/o RAN", "Figure 6", "stal { attention_branch: false }"},
                                   {"STAL", "Figure 6", "stal { }"}};
  const char* const parts[] = {"head", "torso", "right arm", "left arm", "left leg", "right leg"};
  for (int part = 1; part <= 6; ++part) {
    rows.push_back({parts[part - 1], "Figure 7",
                    "stal { scored: SCORED_PARTS only_part: " + std::to_string(part) + " }"});
  }
  rows.push_back({"all parts", "Figure 7", "stal { scored: SCORED_PARTS }"});
  add_sweeps_of_stal(rows);
  rows.push_back({"STAL + ResNet50", "Table V", "stal { backbone: RESNET50 pool_parts: true }"});
  return rows;
}

}  // namespace muster::models
