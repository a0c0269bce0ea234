// muster-model-worker: muster's side of benchmarks/models/compare.py, which starts it.
//   muster-model-worker NAME SETTINGS IDENTITIES THREADS WEIGHTS INPUTS
// NAME is a block's, or "network": then SETTINGS is a proto::Model in text format. WEIGHTS and
// INPUTS are safetensors. Answers each line of standard input by one line:
//   forward N       "done", after N evaluations without gradients
//   backward N      "done", after N training steps: forward, squares of all outputs, gradients
//   outputs FILE    "done", when FILE holds the outputs of an evaluation
//   gradients FILE  "done", when FILE holds the gradients of weights and inputs of a step
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <google/protobuf/text_format.h>

#include <iostream>
#include <sstream>

#include "benchmarks/guarded_main.h"
#include "benchmarks/models/timed_case.h"
#include "common/error.h"
#include "common/process_memory.h"
#include "models/model_catalog.h"
#include "models/safetensors.h"
#include "models/weight_loading.h"

namespace muster::benchmarks {
namespace {

// Scores of the first half of the clips beside the second, where the model judges pairs.
void add_pair_logits(models::Model& model, models::ModelOutput& output,
                     const models::ForwardContext& context) {
  auto* judge = dynamic_cast<models::PairModel*>(&model);
  if (judge == nullptr || !judge->judges_pairs()) return;
  models::Signature first, second;
  for (const auto& [name, value] : output.signature) {
    const std::vector<at::Tensor> halves = value.chunk(2);
    first[name] = halves.at(0);
    second[name] = halves.at(1);
  }
  models::ForwardContext of_pairs = context;
  of_pairs.clip_keys.resize(context.clip_keys.size() / 2);
  output.logits["pairs"] = judge->pair_logits(first, second, of_pairs);
}

TimedCase network_case(const std::string& settings, int64_t identities) {
  proto::Model options;
  if (!google::protobuf::TextFormat::ParseFromString(settings, &options)) {
    throw common::InputError("'" + settings + "'", "is no model");
  }
  const std::shared_ptr<models::Model> model =
      models::model_entry(options).create(options, identities, 1);
  TimedCase result;
  result.weights = models::weights_of(*model);
  result.forward = [model](const TensorsByName& given, const models::ForwardContext& context) {
    models::ModelInput input;
    input.clips = given.at("clips");
    if (given.count("flow") > 0) input.flow = given.at("flow");
    if (given.count("joints") > 0) input.joints = given.at("joints");
    if (given.count("boxes") > 0) input.boxes = given.at("boxes");
    models::ModelOutput output = model->forward(input, context);
    add_pair_logits(*model, output, context);
    return output.logits;
  };
  return result;
}

TimedCase case_of(const std::string& name, const std::string& settings, int64_t identities,
                  const TensorsByName& weights, const TensorsByName& inputs) {
  if (name == "network") return network_case(settings, identities);
  for (const BlockEntry& entry : block_cases()) {
    if (entry.name == name) return entry.create(weights, inputs);
  }
  throw common::InputError("'" + name + "'", "is no block");
}

class Worker {
 public:
  Worker(TimedCase timed, TensorsByName inputs)
      : timed_(std::move(timed)), inputs_(std::move(inputs)) {
    context_.statistics = &statistics_;
    const int64_t clips = inputs_.begin()->second.size(0);
    for (int64_t clip = 0; clip < clips; ++clip) {
      keys_.push_back(static_cast<uint64_t>(clip) + 1);
    }
  }

  TensorsByName evaluate() {
    const at::NoGradGuard constants;
    context_.training = false;
    context_.clip_keys.clear();
    return timed_.forward(inputs_, context_);
  }

  void step() {
    for (const auto& [name, value] : timed_.weights) value.mutable_grad() = at::Tensor();
    for (const auto& [name, value] : inputs_) value.mutable_grad() = at::Tensor();
    context_.training = true;
    context_.clip_keys = keys_;
    at::Tensor loss;
    for (const auto& [name, value] : timed_.forward(inputs_, context_)) {
      const at::Tensor term = value.square().mean();
      loss = loss.defined() ? loss + term : term;
    }
    loss.backward();
  }

  models::NamedTensors gradients() {
    step();
    models::NamedTensors result;
    for (const auto& [name, value] : timed_.weights) {
      if (value.grad().defined()) result.emplace_back(name, value.grad().contiguous());
    }
    for (const auto& [name, value] : inputs_) {
      if (value.grad().defined()) result.emplace_back(name, value.grad().contiguous());
    }
    return result;
  }

  // The answer to one line.
  std::string answer(const std::string& line) {
    std::istringstream words(line);
    std::string command, argument;
    words >> command >> argument;
    if (command == "outputs" || command == "gradients") {
      models::NamedTensors tensors;
      if (command == "gradients")
        tensors = gradients();
      else
        for (const auto& [name, value] : evaluate()) tensors.emplace_back(name, value.contiguous());
      models::write_safetensors(argument, tensors, {});
      return "done";
    }
    if (command != "forward" && command != "backward") {
      throw common::InputError("'" + command + "'", "is no command");
    }
    const int count = std::stoi(argument);
    for (int i = 0; i < count; ++i) {
      if (command == "forward") {
        evaluate();
      } else {
        step();
      }
    }
    return "done";
  }

 private:
  models::OwnStatistics statistics_;
  models::ForwardContext context_;
  std::vector<uint64_t> keys_;
  TimedCase timed_;
  TensorsByName inputs_;
};

int run(const std::vector<std::string>& arguments) {
  if (arguments.size() != 6) {
    throw common::InputError("the command line",
                             "is not NAME SETTINGS IDENTITIES THREADS WEIGHTS INPUTS",
                             "start benchmarks/models/compare.py, which starts this program");
  }
  common::keep_freed_memory();  // as the programs do
  at::set_num_threads(std::stoi(arguments[3]));
  const TensorsByName weights = models::read_safetensors(arguments[4]).tensors;
  TensorsByName inputs = models::read_safetensors(arguments[5]).tensors;
  TimedCase timed = case_of(arguments[0], arguments[1], std::stoi(arguments[2]), weights, inputs);
  models::load_weights(timed.weights, weights, models::Loading::kStrict, arguments[4]);
  // Blocks lie between layers, networks behind the loader.
  if (arguments[0] != "network") {
    for (const auto& [name, value] : inputs) value.requires_grad_(true);
  }
  Worker worker(std::move(timed), std::move(inputs));
  std::cout << "ready" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << worker.answer(line) << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace muster::benchmarks

int main(int count, char** values) {
  return muster::benchmarks::guarded_main("muster-model-worker", count, values,
                                          &muster::benchmarks::run);
}
