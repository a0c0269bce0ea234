#include "trainer/empty_output.h"

#include <ATen/ATen.h>

#include <optional>

#include "common/error.h"
#include "trainer/clip_tensors.h"
#include "trainer/communicator.h"
#include "trainer/input_recipe.h"
#include "trainer/rank_tensors.h"

namespace muster::trainer {
namespace {

std::string axes_text(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t length : shape) text += (text.empty() ? "" : ", ") + std::to_string(length);
  return "[" + text + "]";
}

[[noreturn]] void refuse_table(const FeatureTable& table, const std::string& problem) {
  throw common::InputError(table.name, problem,
                           "extract the features with the run that --run names");
}

}  // namespace

models::ModelInput no_clips(const models::Model& model, const proto::Experiment& experiment,
                            const datastore::ClipFormat& format, at::ScalarType type) {
  const proto::Batch& batch = experiment.training().batch();
  const int64_t frames = batch.sampler() == proto::FRAMES ? 1 : batch.frames();
  models::ModelInput nothing = model_input({}, 0, frames, format, type);
  if (format.joints) nothing.joints = joint_tensor({}, 0, frames, type);
  const models::NamedTensors parameters = model.parameters();
  if (!parameters.empty()) {
    const at::Device device = parameters.front().second.device();
    for (at::Tensor* tensor : {&nothing.clips, &nothing.flow, &nothing.joints}) {
      if (tensor->defined()) *tensor = tensor->to(device);
    }
  }
  return nothing;
}

models::ModelOutput output_for_no_clips(models::Model& model, const proto::Experiment& experiment,
                                        const datastore::ClipFormat& format, at::ScalarType type,
                                        models::StatisticsExchange& statistics) {
  const at::NoGradGuard no_gradients;
  models::ForwardContext context;
  context.statistics = &statistics;
  return model.forward(no_clips(model, experiment, format, type), context);
}

SignatureShapes scored_shapes(models::Model& model, const proto::Experiment& experiment) {
  const auto communicator = create_single_communicator();
  CommunicatorStatisticsExchange statistics(*communicator);
  const models::ModelOutput output = output_for_no_clips(
      model, experiment, clip_format(model.input_format(), experiment.model().input()), at::kFloat,
      statistics);
  SignatureShapes shapes;
  for (const auto& [name, value] : output.signature) {
    if (model.scores(name)) shapes[name] = value.sizes().slice(1).vec();
  }
  return shapes;
}

void require_shapes(const FeatureTable& table, const SignatureShapes& shapes) {
  for (const auto& [name, shape] : shapes) {
    std::optional<std::vector<int64_t>> own;
    if (name == "features") {
      if (table.features > 0) own = std::vector<int64_t>{table.features};
    } else if (const auto found = table.further.find(name); found != table.further.end()) {
      own = found->second.shape;
    }
    if (!own) refuse_table(table, "lacks the tensor '" + name + "', which the network compares");
    if (*own != shape) {
      refuse_table(table, "has '" + name + "' of shape " + axes_text(*own) +
                              " per row, where the network gives " + axes_text(shape));
    }
  }
}

}  // namespace muster::trainer
