#include "models/network_profile.h"

#include <ATen/ATen.h>
#include <ATen/record_function.h>

#include <map>
#include <memory>

#include "common/error.h"

namespace muster::models {
namespace {

using at::RecordFunction;

// What is known of a pass so far. torch's callbacks are plain functions: they find it through
// `recorder`.
struct Recorder {
  std::vector<LayerProfile> layers;
  std::map<const void*, size_t> layer_of;  // by the memory of weights and of their copies
  std::vector<at::Tensor> copies;          // alive, so that their memory means nothing else
  size_t without_weights = 0;              // index in layers
  bool in_layer = false;
  size_t layer = 0;  // that the running operation belongs to
};
thread_local Recorder* recorder = nullptr;

std::string layer_name(const std::string& parameter) {
  const size_t dot = parameter.rfind('.');
  return dot == std::string::npos ? parameter : parameter.substr(0, dot);
}

// What an operation's start tells its end.
struct Operation : at::ObserverContext {
  bool opens_layer = false;
  bool copies = false;              // weights: its output is looked up as they are
  int64_t products_per_output = 0;  // convolutions know their output only at the end
};

void find_layer(const at::Tensor& tensor, Operation& operation) {
  if (!tensor.defined() || !tensor.has_storage() || recorder->in_layer) return;
  const auto found = recorder->layer_of.find(tensor.storage().data());
  if (found == recorder->layer_of.end()) return;
  operation.opens_layer = recorder->in_layer = true;
  recorder->layer = found->second;
}

void find_layer(const c10::IValue& value, Operation& operation) {
  if (value.isTensor()) find_layer(value.toTensor(), operation);
  if (!value.isTensorList()) return;
  for (const at::Tensor& tensor : value.toTensorVector()) find_layer(tensor, operation);
}

// Views only look at weights.
bool is_view(const std::string& name) {
  for (const char* view :
       {"aten::t", "aten::transpose", "aten::view", "aten::detach", "aten::slice", "aten::select",
        "aten::unsqueeze", "aten::flatten", "aten::chunk", "aten::split", "aten::reshape",
        "aten::expand", "aten::as_strided", "aten::permute", "aten::narrow", "aten::squeeze",
        "aten::unbind"}) {
    if (name == view) return true;
  }
  return false;
}

// What it makes of weights, a product uses in their place: several ones at once count for the
// first.
bool is_copy(const std::string& name) {
  for (const char* copy : {"aten::cat", "aten::stack", "aten::clone", "aten::contiguous",
                           "aten::constant_pad_nd", "aten::_to_copy"}) {
    if (name == copy) return true;
  }
  return false;
}

LayerProfile& running_layer() {
  return recorder->layers[recorder->in_layer ? recorder->layer : recorder->without_weights];
}

// Of a product of the last two axes of `left` [..., n, k] and `right` [..., k, m].
int64_t matrix_products(const at::Tensor& left, const at::Tensor& right) {
  return left.numel() * right.size(-1);
}

void count_products(const RecordFunction& function, Operation& operation) {
  const std::string name = function.name();
  const auto tensor = [&](size_t index) { return function.inputs()[index].toTensor(); };
  const auto is = [&](const std::string& product) {
    return name == product || name == product + "_";
  };
  if (is("aten::mm") || is("aten::bmm")) {
    running_layer().multiply_adds += matrix_products(tensor(0), tensor(1));
  } else if (is("aten::addmm") || is("aten::baddbmm") || is("aten::addbmm")) {
    running_layer().multiply_adds += matrix_products(tensor(1), tensor(2));
  } else if (name == "aten::mv") {
    running_layer().multiply_adds += tensor(0).numel();
  } else if (name == "aten::dot") {
    running_layer().multiply_adds += tensor(0).numel();
  } else if (name == "aten::convolution" && function.inputs().size() > 6) {
    // A weight is [out, in / groups, kernel], transposed [in, out / groups, kernel].
    const at::Tensor weight = tensor(1);
    const int64_t of_one = weight.size(0) == 0 ? 0 : weight.numel() / weight.size(0);
    if (function.inputs()[6].toBool()) {
      running_layer().multiply_adds += tensor(0).numel() * of_one;
    } else {
      operation.products_per_output = of_one;
    }
  }
}

std::unique_ptr<at::ObserverContext> on_start(const RecordFunction& function) {
  auto operation = std::make_unique<Operation>();
  if (recorder == nullptr || is_view(function.name())) return operation;
  for (const c10::IValue& value : function.inputs()) find_layer(value, *operation);
  operation->copies = operation->opens_layer && is_copy(function.name());
  count_products(function, *operation);
  return operation;
}

void on_end(const RecordFunction& function, at::ObserverContext* context) {
  const auto& operation = static_cast<const Operation&>(*context);
  if (recorder == nullptr) return;
  const auto& outputs = function.outputs();
  if (!outputs.empty() && outputs[0].isTensor() && outputs[0].toTensor().defined()) {
    const at::Tensor output = outputs[0].toTensor();
    running_layer().multiply_adds += output.numel() * operation.products_per_output;
    if (operation.copies) {
      recorder->layer_of[output.storage().data()] = recorder->layer;
      recorder->copies.push_back(output);
    } else if (operation.opens_layer) {
      running_layer().output = output.sizes().vec();
    }
  }
  if (operation.opens_layer) recorder->in_layer = false;
}

// Listens on this thread while it lives.
class Listening {
 public:
  explicit Listening(Recorder& target)
      : handle_(at::addThreadLocalCallback(at::RecordFunctionCallback(&on_start, &on_end)
                                               .needsInputs(true)
                                               .needsOutputs(true)
                                               .scopes({at::RecordScope::FUNCTION}))) {
    recorder = &target;
  }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;
  ~Listening() {
    recorder = nullptr;
    at::removeCallback(handle_);
  }

 private:
  const at::CallbackHandle handle_;
};

}  // namespace

std::vector<LayerProfile> profile_layers(const NamedTensors& parameters,
                                         const std::function<void()>& forward) {
  MUSTER_REQUIRE(recorder == nullptr, ==, true);
  Recorder found;
  for (const auto& [name, value] : parameters) {
    const std::string layer = layer_name(name);
    if (found.layers.empty() || found.layers.back().name != layer) {
      found.layers.emplace_back();
      found.layers.back().name = layer;
    }
    found.layers.back().parameters += value.numel();
    found.layer_of[value.storage().data()] = found.layers.size() - 1;
  }
  found.without_weights = found.layers.size();
  found.layers.emplace_back();
  {
    const Listening listening(found);
    forward();
  }
  if (found.layers.back().multiply_adds == 0) found.layers.pop_back();
  return found.layers;
}

}  // namespace muster::models
