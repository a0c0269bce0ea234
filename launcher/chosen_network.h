// The network or backbone that a name and settings choose, as the models commands see it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/backbones/backbone_catalog.h"
#include "models/model_catalog.h"

namespace muster::launcher {

// One of the two is there.
struct ChosenNetwork {
  const models::ModelEntry* model = nullptr;
  const models::BackboneEntry* backbone = nullptr;
  proto::Model model_options;        // of `model`
  proto::Backbone backbone_options;  // of `backbone`
};

// `settings` are "model.NAME.field=value", of a backbone "field=value". Throws InputError naming
// the nearest name, or a setting of another network.
ChosenNetwork choose_network(const std::string& name, const std::vector<std::string>& settings);

}  // namespace muster::launcher
