#include "models/model_catalog.h"

#include "common/error.h"

namespace muster::models {

const std::vector<ModelEntry>& model_catalog() {
  static const std::vector<ModelEntry> catalog = {
      {"stsrn",
       "Su et al. 2018, spatial-temporal synergic residual network",
       proto::Model::kStsrn,
       &create_stsrn,
       {}},
      {"trl", "Dai et al. 2018, temporal residual learning with spatial-temporal transformer",
       proto::Model::kTrl, &create_trl, trl_rows()},
  };
  return catalog;
}

const ModelEntry& model_entry(const proto::Model& options) {
  std::string known;
  for (const ModelEntry& entry : model_catalog()) {
    if (entry.network_case == options.network_case()) return entry;
    known += (known.empty() ? "" : ", ") + entry.name;
  }
  throw common::InputError("model", "names no network", "choose one of: " + known);
}

}  // namespace muster::models
