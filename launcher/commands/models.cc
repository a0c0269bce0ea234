#include "launcher/commands/models.h"

#include <ATen/ATen.h>
#include <google/protobuf/text_format.h>

#include <cstdio>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "common/canonical_message.h"
#include "common/error.h"
#include "common/nearest_name.h"
#include "launcher/chosen_network.h"
#include "launcher/command.h"
#include "launcher/json_line.h"
#include "models/initialisation.h"
#include "models/network_profile.h"

namespace muster::launcher {
namespace {

using nlohmann::json;

int64_t elements(const models::NamedTensors& tensors) {
  int64_t count = 0;
  for (const auto& [name, value] : tensors) count += value.numel();
  return count;
}

// Parameters of networks in text format, without classifiers: those depend on the data. Rows that
// are scored differently alone are one network, which is made once.
class ParameterCounter {
 public:
  int64_t count(const models::ModelEntry& entry, const std::string& text) {
    proto::Experiment experiment;
    const bool parsed =
        google::protobuf::TextFormat::ParseFromString(text, experiment.mutable_model());
    MUSTER_REQUIRE(parsed, ==, true);
    const auto [found, unknown] =
        counts_.emplace(entry.name + common::settings_of(experiment, {proto::TRAIN}), 0);
    if (unknown) {
      const models::WithoutInitialValues only_looked_at;
      found->second = elements(entry.create(experiment.model(), 0, 1)->parameters());
    }
    return found->second;
  }

 private:
  std::map<std::string, int64_t> counts_;
};

json listed_models() {
  json list = json::array();
  ParameterCounter parameters;
  for (const models::ModelEntry& entry : models::model_catalog()) {
    json rows = json::array();
    for (const models::AblationRow& row : entry.rows) {
      rows.push_back({{"name", row.name},
                      {"table", row.table},
                      {"model", row.model},
                      {"loss", row.loss},
                      {"parameters", parameters.count(entry, row.model)}});
    }
    const std::string plain = entry.name + " {}";
    list.push_back({{"name", entry.name},
                    {"summary", entry.summary},
                    {"parameters", parameters.count(entry, plain)},
                    {"distance", entry.has_distance},
                    {"rows", rows}});
  }
  return list;
}

json listed_backbones() {
  json list = json::array();
  for (const models::BackboneEntry& entry : models::backbone_catalog()) {
    const models::WithoutInitialValues only_looked_at;
    const models::Backbone backbone = entry.create(proto::Backbone(), 1);
    int64_t parameters = 0;
    for (const at::Tensor& value : backbone.module->parameters()) parameters += value.numel();
    list.push_back({{"name", entry.name},
                    {"summary", entry.summary},
                    {"input", {entry.channels, entry.height, entry.width}},
                    {"parameters", parameters}});
  }
  return list;
}

// "12,821,888"
std::string with_commas(int64_t number) {
  std::string digits = std::to_string(number);
  for (auto place = static_cast<int64_t>(digits.size()) - 3; place > 0; place -= 3) {
    digits.insert(static_cast<size_t>(place), ",");
  }
  return digits;
}

void print_line(const std::string& parameters, const std::string& text) {
  std::printf("%14s  %s\n", parameters.c_str(), text.c_str());
}

int list(bool as_json) {
  const json models = listed_models(), backbones = listed_backbones();
  if (as_json) {
    std::cout << json_line(json{{"models", models}, {"backbones", backbones}});
    return 0;
  }
  print_line("parameters", "network (without classifiers)");
  for (const json& entry : models) {
    print_line(with_commas(entry["parameters"]),
               entry["name"].get<std::string>() + ": " + entry["summary"].get<std::string>());
    for (const json& row : entry["rows"]) {
      const std::string loss = row["loss"];
      print_line(with_commas(row["parameters"]),
                 "  " + row["table"].get<std::string>() + ", " + row["name"].get<std::string>() +
                     ": " + row["model"].get<std::string>() +
                     (loss.empty() ? "" : " loss { " + loss + " }"));
    }
  }
  for (const json& entry : backbones) {
    print_line(with_commas(entry["parameters"]), "backbone " + entry["name"].get<std::string>() +
                                                     ": " + entry["summary"].get<std::string>());
  }
  return 0;
}

struct Description {
  std::vector<models::LayerProfile> layers;
  std::map<std::string, std::vector<int64_t>> outputs;
};

// One black clip of `frames` frames through the network.
Description described_model(const models::ModelEntry& entry, const proto::Model& options,
                            int64_t identities, int64_t frames) {
  const auto model = entry.create(options, identities, 1);
  const models::InputFormat format = model->input_format();
  models::ModelInput input;
  input.clips = at::zeros({1, frames, 3, format.crop_height, format.crop_width});
  if (format.flow) input.flow = at::zeros({1, frames, 2, format.crop_height, format.crop_width});
  if (format.joints) input.joints = at::ones({1, frames, 14, 3});
  models::OwnStatistics statistics;
  models::ForwardContext context;
  context.statistics = &statistics;
  Description description;
  description.layers = models::profile_layers(model->parameters(), [&] {
    const models::ModelOutput output = model->forward(input, context);
    for (const auto& [name, value] : output.signature) {
      description.outputs[name] = value.sizes().vec();
    }
    for (const auto& [name, value] : output.logits) {
      description.outputs["logits." + name] = value.sizes().vec();
    }
    auto* pairs = dynamic_cast<models::PairModel*>(model.get());
    if (pairs != nullptr && pairs->judges_pairs()) {
      description.outputs["pair_logits"] =
          pairs->pair_logits(output.signature, output.signature, context).sizes().vec();
    }
  });
  return description;
}

Description described_backbone(const models::BackboneEntry& entry, const proto::Backbone& options) {
  const models::Backbone backbone = entry.create(options, 1);
  models::NamedTensors parameters;
  for (const auto& item : backbone.module->named_parameters()) {
    parameters.emplace_back(item.key(), item.value());
  }
  models::OwnStatistics statistics;
  models::ForwardContext context;
  context.statistics = &statistics;
  Description description;
  description.layers = models::profile_layers(parameters, [&] {
    const at::Tensor images = at::zeros({1, entry.channels, entry.height, entry.width});
    for (const auto& [name, value] : backbone.forward(images, context)) {
      description.outputs[name] = value.sizes().vec();
    }
  });
  return description;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t size : shape) text += (text.empty() ? "" : ", ") + std::to_string(size);
  return "[" + text + "]";
}

void print_for_people(const Description& description, const json& facts) {
  std::printf("%-44s %-24s %14s %18s\n", "layer", "output", "parameters", "multiply-adds");
  for (const models::LayerProfile& layer : description.layers) {
    std::printf("%-44s %-24s %14s %18s\n",
                layer.name.empty() ? "(without weights)" : layer.name.c_str(),
                layer.output.empty() ? "-" : shape_text(layer.output).c_str(),
                with_commas(layer.parameters).c_str(), with_commas(layer.multiply_adds).c_str());
  }
  std::printf("%-44s %-24s %14s %18s\n", "total", "",
              with_commas(facts["parameters"].get<int64_t>()).c_str(),
              with_commas(facts["multiply_adds"].get<int64_t>()).c_str());
  if (!facts.value("distance", true)) std::printf("no distance: an auxiliary network\n");
  for (const auto& [name, shape] : description.outputs) {
    std::printf("output %s %s\n", name.c_str(), shape_text(shape).c_str());
  }
}

int describe(const CommandLine& line) {
  const ChosenNetwork chosen = choose_network(line.text("name"), line.texts("set"));
  const long long frames = line.integer("frames", 1, 4096);
  const long long identities = line.integer("identities", 0, 10'000'000);
  const at::NoGradGuard no_gradients;
  const models::WithoutInitialValues only_looked_at;
  const Description description =
      chosen.model != nullptr
          ? described_model(*chosen.model, chosen.model_options, identities, frames)
          : described_backbone(*chosen.backbone, chosen.backbone_options);
  int64_t parameters = 0, multiply_adds = 0;
  json layers = json::array();
  for (const models::LayerProfile& layer : description.layers) {
    parameters += layer.parameters;
    multiply_adds += layer.multiply_adds;
    layers.push_back({{"name", layer.name},
                      {"output", layer.output},
                      {"parameters", layer.parameters},
                      {"multiply_adds", layer.multiply_adds}});
  }
  json facts = {{"name", line.text("name")},
                {"parameters", parameters},
                {"multiply_adds", multiply_adds},
                {"layers", layers},
                {"outputs", description.outputs}};
  if (chosen.model != nullptr) {
    facts["frames"] = frames;
    facts["distance"] = chosen.model->has_distance;
  }
  if (line.has("json")) {
    std::cout << json_line(facts);
  } else {
    print_for_people(description, facts);
  }
  return 0;
}

}  // namespace

int run_models(const std::vector<std::string>& arguments) {
  CommandLine line(
      "muster models list|describe NAME|forward NAME",
      "list shows every network and every row of the papers' tables. describe shows layers, the "
      "shapes of one clip, parameters and multiply-adds. forward sends the tensors of a file "
      "through a network with the weights of another (docs/formats/weights.md).");
  line.positional("action", "list, describe or forward")
      .positional("name", "describe, forward: which network or backbone")
      .repeated("set", "PATH=VALUE", "change a setting, e.g. model.stsrn.width=0.5")
      .option("identities", "N", "classes of the classifiers; forward: [as in the file]", "0")
      .option("frames", "N", "describe: of the clip", "6")
      .option("weights", "FILE", "forward: safetensors")
      .flag("partial", "forward: take the weights that fit, and say what did not")
      .option("input", "FILE", "forward: safetensors with 'input', and 'other' for a pair")
      .option("output", "FILE", "forward: where the outputs go")
      .flag("json", "list, describe: print JSON");
  if (!line.parse(arguments)) return 0;
  const std::string action = line.text("action");
  if (action == "list") {
    if (line.has("name")) {
      throw common::InputError("muster models list", "takes no name: '" + line.text("name") + "'",
                               "muster models describe NAME tells of one network");
    }
    return list(line.has("json"));
  }
  if (action == "describe") return describe(line);
  if (action == "forward") return forward_network(line);
  throw common::InputError("muster models " + action, "is not known",
                           common::name_hint(action, {"list", "describe", "forward"}));
}

}  // namespace muster::launcher
