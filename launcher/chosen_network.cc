#include "launcher/chosen_network.h"

#include "common/error.h"
#include "common/nearest_name.h"
#include "launcher/experiment_file.h"

namespace muster::launcher {

using common::InputError;

ChosenNetwork choose_network(const std::string& name, const std::vector<std::string>& settings) {
  ChosenNetwork chosen;
  std::vector<std::string> known;
  for (const models::ModelEntry& entry : models::model_catalog()) {
    known.push_back(entry.name);
    if (entry.name == name) chosen.model = &entry;
  }
  for (const models::BackboneEntry& entry : models::backbone_catalog()) {
    known.push_back(entry.name);
    if (entry.name == name) chosen.backbone = &entry;
  }
  if (chosen.backbone != nullptr) {
    for (const std::string& setting : settings) apply_setting(chosen.backbone_options, setting);
    return chosen;
  }
  if (chosen.model == nullptr) {
    throw InputError("network '" + name + "'", "is not known", common::name_hint(name, known));
  }
  proto::Experiment experiment;
  proto::Model* options = experiment.mutable_model();
  options->GetReflection()->MutableMessage(
      options, options->GetDescriptor()->FindFieldByNumber(chosen.model->network_case));
  for (const std::string& setting : settings) {
    apply_setting(experiment, setting);
    if (setting.rfind("model.", 0) != 0 || options->network_case() != chosen.model->network_case) {
      throw InputError("--set " + setting, "does not reach network " + name,
                       "fields that do: model." + name + ".*");
    }
  }
  chosen.model_options = *options;
  return chosen;
}

}  // namespace muster::launcher
