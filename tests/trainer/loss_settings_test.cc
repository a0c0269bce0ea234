#include "trainer/loss_settings.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "tests/common/support.h"
#include "tests/models/support.h"

namespace muster::trainer {
namespace {

using common::contains;
using common::InputError;

proto::Loss only(const std::string& term) {
  proto::Loss loss;
  const auto* field = loss.GetDescriptor()->FindFieldByName(term);
  loss.GetReflection()->MutableMessage(&loss, field);
  return loss;
}

proto::Batch batch_of(proto::Sampler sampler) {
  proto::Batch batch;
  batch.set_sampler(sampler);
  return batch;
}

std::string sampler_refusal(const proto::Loss& loss, const proto::Batch& batch) {
  return common::failure_text<InputError>([&] { require_sampler(loss, batch); });
}

std::string network_refusal(const proto::Loss& loss, const models::ModelOutput& output,
                            bool judges_pairs = false) {
  const std::string text =
      common::failure_text<InputError>([&] { require_network(loss, output, judges_pairs); });
  EXPECT_FALSE(contains(text, "\n")) << text;
  return text;
}

models::ModelOutput output_with(const std::map<std::string, std::vector<int64_t>>& signature) {
  models::ModelOutput output;
  for (const auto& [name, shape] : signature) output.signature[name] = at::zeros(shape);
  return output;
}

TEST(LossSettingsTest, EveryTermAloneIsALoss) {
  for (const char* term : {"identity", "video_triplet", "part_triplet", "verification", "pair",
                           "attentive_triplet", "heat_map"}) {
    EXPECT_NO_THROW(require_loss(only(term))) << term;
  }
}

TEST(LossSettingsTest, EveryNumberHasARange) {
  int numbers = 0;
  const auto* loss_type = proto::Loss::descriptor();
  for (int i = 0; i < loss_type->field_count(); ++i) {
    const auto* term = loss_type->field(i);
    for (int j = 0; j < term->message_type()->field_count(); ++j) {
      const auto* field = term->message_type()->field(j);
      if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_DOUBLE) continue;
      proto::Loss loss = only(term->name());
      auto* group = loss.GetReflection()->MutableMessage(&loss, term);
      group->GetReflection()->SetDouble(group, field, -1);
      const std::string text = common::failure_text<InputError>([&] { require_loss(loss); });
      EXPECT_TRUE(contains(text, "training.loss." + term->name() + "." + field->name())) << text;
      ++numbers;
    }
  }
  EXPECT_EQ(numbers, 14);
}

TEST(LossSettingsTest, VerificationWantsPairs) {
  EXPECT_NO_THROW(require_sampler(only("verification"), batch_of(proto::PAIRS)));
  const std::string text = sampler_refusal(only("verification"), batch_of(proto::TRIPLETS));
  EXPECT_TRUE(contains(text, "training.loss.verification")) << text;
  EXPECT_TRUE(contains(text, "TRIPLETS")) << text;
  EXPECT_TRUE(contains(text, "choose sampler PAIRS")) << text;
}

TEST(LossSettingsTest, AttentiveTripletsWantTriplets) {
  EXPECT_NO_THROW(require_sampler(only("attentive_triplet"), batch_of(proto::TRIPLETS)));
  const std::string text = sampler_refusal(only("attentive_triplet"), batch_of(proto::IDENTITIES));
  EXPECT_TRUE(contains(text, "choose sampler TRIPLETS")) << text;
}

TEST(LossSettingsTest, PairsToJudgeWantPositivesAndNegativesInEveryBatch) {
  EXPECT_NO_THROW(require_sampler(only("pair"), batch_of(proto::IDENTITIES)));
  EXPECT_NO_THROW(require_sampler(only("pair"), batch_of(proto::TRIPLETS)));
  EXPECT_TRUE(contains(sampler_refusal(only("pair"), batch_of(proto::PAIRS)),
                       "choose sampler IDENTITIES or TRIPLETS"));
  proto::Batch batch = batch_of(proto::IDENTITIES);
  batch.set_clips(1);
  EXPECT_TRUE(contains(sampler_refusal(only("pair"), batch), "training.loss.pair"));
}

TEST(LossSettingsTest, OtherLossesTakeAnySampler) {
  for (const char* term : {"identity", "video_triplet", "part_triplet"}) {
    EXPECT_NO_THROW(require_sampler(only(term), batch_of(proto::TRACKLETS)));
  }
}

TEST(LossSettingsTest, WhatTheSignatureLacksIsNamed) {
  const models::ModelOutput features = output_with({{"features", {0, 4}}});
  EXPECT_NO_THROW(require_network(only("video_triplet"), features, false));
  EXPECT_NO_THROW(require_network(only("verification"), features, false));
  const std::string text = network_refusal(only("part_triplet"), features);
  EXPECT_TRUE(contains(text, "training.loss.part_triplet")) << text;
  EXPECT_TRUE(contains(text, "'parts'")) << text;
  EXPECT_TRUE(contains(text, "holds features")) << text;
  const models::ModelOutput global = output_with({{"global", {0, 4}}});
  EXPECT_TRUE(contains(network_refusal(only("video_triplet"), global), "'features'"));
  EXPECT_TRUE(contains(network_refusal(only("verification"), global), "'features'"));
  EXPECT_TRUE(contains(network_refusal(only("identity"), global), "no classifier"));
}

TEST(LossSettingsTest, OnlySomeNetworksJudgePairs) {
  const models::ModelOutput output = output_with({{"features", {0, 4}}});
  EXPECT_NO_THROW(require_network(only("pair"), output, true));
  EXPECT_TRUE(contains(network_refusal(only("pair"), output), "does not judge pairs"));
}

TEST(LossSettingsTest, HeatMapsWantANetworkThatMakesThem) {
  models::ModelOutput output = output_with({{"heat_maps", {0, 1, 14, 8, 8}}});
  output.targets.joints = at::zeros({0, 1, 14, 3});
  EXPECT_NO_THROW(require_network(only("heat_map"), output, false));
  const std::string text = network_refusal(only("heat_map"), output_with({{"features", {0, 4}}}));
  EXPECT_TRUE(contains(text, "training.loss.heat_map")) << text;
  EXPECT_TRUE(contains(text, "'heat_maps'")) << text;
  EXPECT_TRUE(contains(network_refusal(only("video_triplet"), output), "holds heat_maps"));
}

TEST(LossSettingsTest, AttentiveTripletsTakeTheBranchesThatAreThere) {
  const auto global = output_with({{"global", {0, 4}}});
  const auto parts = output_with({{"parts", {0, 6, 4}}, {"attention", {0, 6}}});
  EXPECT_NO_THROW(require_network(only("attentive_triplet"), global, false));
  EXPECT_NO_THROW(require_network(only("attentive_triplet"), parts, false));
  EXPECT_TRUE(
      contains(network_refusal(only("attentive_triplet"), output_with({{"parts", {0, 6, 4}}})),
               "'attention'"));
  EXPECT_TRUE(contains(network_refusal(only("attentive_triplet"), output_with({})), "'global'"));
}

TEST(LossSettingsTest, SettingsOfAMissingBranchAreRefused) {
  proto::Loss loss = only("attentive_triplet");
  loss.mutable_attentive_triplet()->set_part_weight(0.5);
  EXPECT_TRUE(contains(network_refusal(loss, output_with({{"global", {0, 4}}})), "part_weight"));
  loss = only("attentive_triplet");
  loss.mutable_attentive_triplet()->set_global_margin(1);
  EXPECT_TRUE(
      contains(network_refusal(loss, output_with({{"parts", {0, 6, 4}}, {"attention", {0, 6}}})),
               "global_margin"));
}

}  // namespace
}  // namespace muster::trainer
