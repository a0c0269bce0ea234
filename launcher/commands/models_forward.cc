#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <iostream>
#include <set>

#include "common/error.h"
#include "common/nearest_name.h"
#include "launcher/chosen_network.h"
#include "launcher/commands/models.h"
#include "models/initialisation.h"
#include "models/safetensors.h"
#include "models/weight_loading.h"

namespace muster::launcher {
namespace {

constexpr const char* kMadeBy = "muster models forward";

using common::InputError;
using Tensors = std::map<std::string, at::Tensor>;

// One of the tensors that a pass reads; [first, second, channels, height, width] or fewer axes.
at::Tensor input_tensor(const Tensors& tensors, const std::string& name, const std::string& file) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) throw InputError(file, "has no tensor '" + name + "'");
  const at::Tensor& value = found->second;
  if (value.scalar_type() != at::kFloat && value.scalar_type() != at::kDouble) {
    throw InputError(file, "tensor '" + name + "' has type " + at::toString(value.scalar_type()),
                     "write it as F32 or F64");
  }
  if (!value.isfinite().all().item<bool>()) {
    throw InputError(file, "tensor '" + name + "' holds values that are not finite");
  }
  return value;
}

// Throws unless the sizes are `wanted`, where -1 stands for any.
void require_shape(const at::Tensor& tensor, const std::vector<int64_t>& wanted,
                   const std::string& axes, const std::string& name, const std::string& file) {
  bool fits = tensor.dim() == static_cast<int64_t>(wanted.size());
  std::string text, found;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const auto axis = static_cast<int64_t>(i);
    fits = fits && (wanted[i] < 0 || tensor.size(axis) == wanted[i]);
    text += (i > 0 ? ", " : "") + (wanted[i] < 0 ? "any" : std::to_string(wanted[i]));
  }
  for (const int64_t size : tensor.sizes()) {
    found += (found.empty() ? "" : ", ") + std::to_string(size);
  }
  if (fits) return;
  throw InputError(file, "tensor '" + name + "' is [" + found + "]",
                   "the network takes " + axes + " of sizes [" + text + "]");
}

// `name` of the file as clips and, where the network wants it, flow behind the colours; boxes and
// joints with `prefix` before their names.
models::ModelInput model_input(const Tensors& tensors, const std::string& name,
                               const std::string& prefix, const models::InputFormat& format,
                               const std::string& file) {
  const at::Tensor clips = input_tensor(tensors, name, file);
  require_shape(clips, {-1, -1, format.flow ? 5 : 3, format.crop_height, format.crop_width},
                "[clips, frames, channels, height, width]", name, file);
  if (clips.size(1) == 0) throw InputError(file, "tensor '" + name + "' has no frames");
  models::ModelInput input;
  input.clips = clips.slice(2, 0, 3);
  if (format.flow) input.flow = clips.slice(2, 3, 5);
  const bool given_boxes = tensors.count(prefix + "boxes") > 0;
  if (format.joints && (!given_boxes || tensors.count(prefix + "joints") > 0)) {
    input.joints = input_tensor(tensors, prefix + "joints", file).to(clips.scalar_type());
    require_shape(input.joints, {clips.size(0), clips.size(1), 14, 3}, "[clips, frames, joints, 3]",
                  prefix + "joints", file);
  }
  if (given_boxes) {
    input.boxes = input_tensor(tensors, prefix + "boxes", file).to(clips.scalar_type());
    require_shape(input.boxes, {clips.size(0), clips.size(1), -1, 4}, "[clips, frames, parts, 4]",
                  prefix + "boxes", file);
  }
  return input;
}

// How many classes the classifiers of the file have: where weights that only a network with
// classifiers has carry the number of classes in their shape. 0 without such tensors.
int64_t classes_in(const Tensors& weights,
                   const std::function<models::NamedTensors(int64_t classes)>& parameters) {
  constexpr int64_t kProbe = 1009;  // a prime that no layer has
  const models::WithoutInitialValues only_looked_at;
  std::set<std::string> plain;
  for (const auto& [name, value] : parameters(0)) plain.insert(name);
  for (const auto& [name, value] : parameters(kProbe)) {
    const auto found = weights.find(name);
    if (plain.count(name) > 0 || found == weights.end()) continue;
    for (int64_t axis = 0; axis < value.dim() && axis < found->second.dim(); ++axis) {
      if (value.size(axis) == kProbe) return found->second.size(axis);
    }
  }
  return 0;
}

int64_t classes_of(const ChosenNetwork& chosen, const Tensors& weights, const CommandLine& line) {
  const long long wanted = line.integer("identities", 0, 10'000'000);
  if (wanted != 0) return wanted;
  return classes_in(weights, [&](int64_t classes) {
    if (chosen.model != nullptr) {
      return chosen.model->create(chosen.model_options, classes, 1)->parameters();
    }
    proto::Backbone options = chosen.backbone_options;
    options.set_classes(static_cast<int32_t>(classes));
    return models::weights_of(chosen.backbone->create(options, 1));
  });
}

// What the network cannot be looking for: a slip of the pen would pass unseen.
void require_known_names(const Tensors& tensors, const std::vector<std::string>& known,
                         const std::string& file) {
  for (const auto& [name, value] : tensors) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    throw InputError(file, "tensor '" + name + "' is not known", common::name_hint(name, known));
  }
}

// Throws unless the network looks at every tensor of the file, and at boxes on both sides of pairs
// or on neither: distances between different kinds of parts would say nothing.
void require_tensors_of_network(const Tensors& tensors, const models::InputFormat& format,
                                const std::string& file) {
  require_known_names(tensors, {"input", "other", "boxes", "other_boxes", "joints", "other_joints"},
                      file);
  const auto has = [&](const std::string& name) { return tensors.count(name) > 0; };
  const auto refuse = [&](const std::string& name, const std::string& problem,
                          const std::string& remedy) {
    throw InputError(file, "tensor '" + name + "' " + problem, remedy);
  };
  for (const std::string kind : {"boxes", "joints"}) {
    const bool looked_at = kind == "boxes" ? format.boxes : format.joints;
    for (const std::string& name : {kind, "other_" + kind}) {
      if (!has(name)) continue;
      if (!looked_at) {
        refuse(name, "is not known to this network",
               "leave it out, or choose settings of a network that looks at " + kind);
      }
      if (name != kind && !has("other")) refuse(name, "is there without 'other'", "give both");
    }
  }
  if (has("other") && has("boxes") != has("other_boxes")) {
    refuse(has("boxes") ? "boxes" : "other_boxes",
           std::string("is there without '") + (has("boxes") ? "other_boxes" : "boxes") + "'",
           "give the boxes of both sides, or of neither");
  }
}

// Only what an earlier pass wrote may be replaced.
void require_replaceable_output(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return;
  try {
    const auto metadata = models::read_safetensors(path).metadata;
    const auto made_by = metadata.find("made_by");
    if (made_by != metadata.end() && made_by->second == kMadeBy) return;
  } catch (const InputError&) {
  }
  throw InputError(path.string(), "is there and no output of muster models forward",
                   "choose another --output");
}

// What a pass gives, and what there is to say of it once its file is written.
struct PassResult {
  models::NamedTensors outputs;
  std::string notes;  // lines
};

// The lines that say what a partial loading left out; "" after a strict one.
std::string load(const models::NamedTensors& network, const Tensors& weights,
                 const CommandLine& line) {
  const bool partial = line.has("partial");
  const models::WeightReport report = models::load_weights(
      network, weights, partial ? models::Loading::kPartial : models::Loading::kStrict,
      line.text("weights"));
  return partial ? report.text() : "";
}

void add_outputs(const std::string& prefix, const models::ModelOutput& output,
                 models::NamedTensors& all) {
  for (const auto& [name, value] : output.signature) all.emplace_back(prefix + name, value);
  for (const auto& [name, value] : output.logits) {
    all.emplace_back(prefix + "logits." + name, value);
  }
}

// The same network on the second sides of pairs, the distances, and what it says of pairs.
void compare_with_other(models::Model& model, const models::ModelInput& input,
                        models::ModelInput other, const models::ModelOutput& first,
                        const models::ForwardContext& context, PassResult& result) {
  other.clips = other.clips.to(input.clips.scalar_type());
  if (other.flow.defined()) other.flow = other.flow.to(input.clips.scalar_type());
  const models::ModelOutput second = model.forward(other, context);
  add_outputs("other.", second, result.outputs);
  result.outputs.emplace_back("distance", model.distance(first.signature, second.signature));
  auto* pairs = dynamic_cast<models::PairModel*>(&model);
  if (pairs == nullptr || !pairs->judges_pairs()) return;
  const int64_t count = input.clips.size(0), others = other.clips.size(0);
  if (count == others) {
    result.outputs.emplace_back("pair_logits",
                                pairs->pair_logits(first.signature, second.signature, context));
  } else {
    result.notes += "pair_logits are left out: they want as many clips in 'other' as in 'input', " +
                    std::to_string(others) + " are not " + std::to_string(count) + "\n";
  }
}

PassResult model_pass(const ChosenNetwork& chosen, const Tensors& weights, const CommandLine& line,
                      const models::ForwardContext& context) {
  const std::string file = line.text("input");
  const Tensors tensors = models::read_safetensors(file).tensors;
  const int64_t identities = classes_of(chosen, weights, line);
  const auto model = chosen.model->create(chosen.model_options, identities, 1);
  const models::InputFormat format = model->input_format();
  require_tensors_of_network(tensors, format, file);
  const models::ModelInput input = model_input(tensors, "input", "", format, file);
  // Before the weights come, so that they lose nothing.
  model->to(input.clips.scalar_type());
  PassResult result;
  result.notes = load(models::weights_of(*model), weights, line);
  const models::ModelOutput output = model->forward(input, context);
  add_outputs("", output, result.outputs);
  if (tensors.count("other") > 0) {
    compare_with_other(*model, input, model_input(tensors, "other", "other_", format, file), output,
                       context, result);
  }
  return result;
}

PassResult backbone_pass(const ChosenNetwork& chosen, const Tensors& weights,
                         const CommandLine& line, const models::ForwardContext& context) {
  const std::string file = line.text("input");
  const Tensors tensors = models::read_safetensors(file).tensors;
  proto::Backbone options = chosen.backbone_options;
  if (!options.has_classes()) {
    options.set_classes(static_cast<int32_t>(classes_of(chosen, weights, line)));
  }
  require_known_names(tensors, {"input"}, file);
  const models::Backbone backbone = chosen.backbone->create(options, 1);
  const at::Tensor images = input_tensor(tensors, "input", file);
  require_shape(images, {-1, chosen.backbone->channels, -1, -1},
                "[images, channels, height, width]", "input", file);
  backbone.module->to(images.scalar_type());
  const std::string notes = load(models::weights_of(backbone), weights, line);
  const models::BackboneOutputs outputs = backbone.forward(images, context);
  return {{outputs.begin(), outputs.end()}, notes};
}

}  // namespace

int forward_network(const CommandLine& line) {
  const ChosenNetwork chosen = choose_network(line.text("name"), line.texts("set"));
  const std::string target = line.path("output");
  line.text("input");
  require_replaceable_output(target);
  const Tensors weights = models::read_safetensors(line.text("weights")).tensors;
  const at::NoGradGuard no_gradients;
  models::OwnStatistics statistics;
  models::ForwardContext context;
  context.statistics = &statistics;
  const PassResult result = chosen.model != nullptr ? model_pass(chosen, weights, line, context)
                                                    : backbone_pass(chosen, weights, line, context);
  models::write_safetensors(target, result.outputs, {{"made_by", kMadeBy}});
  std::cerr << result.notes;
  return 0;
}

}  // namespace muster::launcher
