// For tests that make any network small by the same fields: fields that a row gives no effect are
// refused by its network, and go.
#pragma once

#include <google/protobuf/message.h>

#include <string>

#include "common/error.h"
#include "models/initialisation.h"
#include "models/model_catalog.h"

namespace muster::models {

// Clears every field of the network's settings that its network refuses as without effect.
inline void clear_fields_without_effect(proto::Model& options) {
  const auto* chosen = options.GetReflection()->GetOneofFieldDescriptor(
      options, proto::Model::descriptor()->FindOneofByName("network"));
  google::protobuf::Message* network = options.GetReflection()->MutableMessage(&options, chosen);
  const WithoutInitialValues only_asked;
  for (int tries = network->GetDescriptor()->field_count(); tries > 0; --tries) {
    try {
      model_entry(options).create(options, 0, 1);
      return;
    } catch (const common::InputError& refusal) {
      if (refusal.problem().find("has no effect") != 0) return;
      const std::string& object = refusal.object();
      network->GetReflection()->ClearField(
          network, network->GetDescriptor()->FindFieldByName(object.substr(object.rfind('.') + 1)));
    }
  }
}

}  // namespace muster::models
