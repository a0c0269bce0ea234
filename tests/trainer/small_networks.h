// Every network of the catalogue at a size for tests, with the losses that its output serves.
#pragma once

#include <ATen/ATen.h>
#include <google/protobuf/message.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "common/error.h"
#include "datastore/tracklet_store.h"
#include "models/model_catalog.h"
#include "tests/models/accepted_settings.h"
#include "tests/models/support.h"

namespace muster::trainer {

constexpr int32_t kSmallFrames = 3;

inline google::protobuf::Message& network_of(proto::Model& model) {
  const google::protobuf::FieldDescriptor* chosen = model.GetReflection()->GetOneofFieldDescriptor(
      model, proto::Model::descriptor()->FindOneofByName("network"));
  return *model.GetReflection()->MutableMessage(&model, chosen);
}

// Fields that any network may have.
inline void make_small(google::protobuf::Message& network) {
  for (int i = 0; i < network.GetDescriptor()->field_count(); ++i) {
    const google::protobuf::FieldDescriptor* field = network.GetDescriptor()->field(i);
    const std::string& name = field->name();
    if (name == "width") network.GetReflection()->SetDouble(&network, field, 0.0625);
    if (name == "frames") network.GetReflection()->SetInt32(&network, field, kSmallFrames);
    const bool layer_size = name == "features" || name.find("hidden") != std::string::npos ||
                            name.find("channels") != std::string::npos ||
                            (name.find("_size") != std::string::npos && name != "input_size");
    // 0 stands for a layer that is not there.
    if (layer_size && network.GetReflection()->GetInt32(network, field) > 0) {
      network.GetReflection()->SetInt32(&network, field, 8);
    }
  }
}

// At the smallest of these inputs that the network takes.
inline std::unique_ptr<models::Model> smallest_network(const models::ModelEntry& entry,
                                                       proto::Model& options) {
  google::protobuf::Message& network = network_of(options);
  make_small(network);
  models::clear_fields_without_effect(options);
  const google::protobuf::FieldDescriptor* field =
      network.GetDescriptor()->FindFieldByName("input_size");
  if (field == nullptr) return entry.create(options, 3, 1);
  for (const int32_t size : {32, 64, 67, 75, 96, 128, 160, 224, 227}) {
    network.GetReflection()->SetInt32(&network, field, size);
    try {
      return entry.create(options, 3, 1);
    } catch (const common::InputError&) {
    }
  }
  ADD_FAILURE() << entry.name << " takes none of the inputs";
  return nullptr;
}

inline models::ModelOutput output_of_no_clips(models::Model& model) {
  const models::InputFormat format = model.input_format();
  models::ModelInput input;
  input.clips = at::zeros({0, kSmallFrames, 3, format.crop_height, format.crop_width});
  if (format.flow) {
    input.flow = at::zeros({0, kSmallFrames, 2, format.crop_height, format.crop_width});
  }
  if (format.joints) input.joints = at::zeros({0, kSmallFrames, datastore::kJointCount, 3});
  return model.forward(input, models::evaluation_context());
}

// Every loss that has what it wants, and a batch to suit them.
inline void choose_losses(models::Model& model, proto::Training& training) {
  const models::ModelOutput output = output_of_no_clips(model);
  const auto axes = [&](const std::string& name) {
    const auto found = output.signature.find(name);
    return found == output.signature.end() ? int64_t{0} : found->second.dim();
  };
  proto::Loss& loss = *training.mutable_loss();
  const auto add = [&](const char* term) {
    loss.GetReflection()->MutableMessage(&loss, loss.GetDescriptor()->FindFieldByName(term));
  };
  const bool attentive = axes("global") == 2 || axes("attention") == 2;
  if (!output.logits.empty()) add("identity");
  if (axes("features") == 2) add("video_triplet");
  if (axes("parts") == 3 && !attentive) add("part_triplet");
  if (attentive) add("attentive_triplet");
  if (axes("heat_maps") == 5) add("heat_map");
  const auto* pairs = dynamic_cast<models::PairModel*>(&model);
  if (pairs != nullptr && pairs->judges_pairs()) add("pair");
  proto::Batch& batch = *training.mutable_batch();
  batch.set_frames(kSmallFrames);
  if (attentive) {
    batch.set_sampler(proto::TRIPLETS);
    batch.set_size(2);
  } else {
    batch.set_identities(2);
    batch.set_clips(2);
  }
}

}  // namespace muster::trainer
