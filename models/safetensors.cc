#include "models/safetensors.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "common/atomic_file.h"
#include "common/error.h"

namespace muster::models {
using common::InputError;
using nlohmann::json;

namespace {

const std::vector<std::pair<std::string, at::ScalarType>>& type_names() {
  static const std::vector<std::pair<std::string, at::ScalarType>> names = {
      {"F64", at::kDouble}, {"F32", at::kFloat}, {"F16", at::kHalf},  {"BF16", at::kBFloat16},
      {"I64", at::kLong},   {"I32", at::kInt},   {"I16", at::kShort}, {"I8", at::kChar},
      {"U8", at::kByte},    {"BOOL", at::kBool}};
  return names;
}

std::string name_of(at::ScalarType type) {
  for (const auto& [name, value] : type_names()) {
    if (value == type) return name;
  }
  throw InputError(at::toString(type), "cannot be stored in safetensors");
}

at::ScalarType type_of(const std::string& name, const std::string& path) {
  for (const auto& [known, value] : type_names()) {
    if (known == name) return value;
  }
  throw InputError(path, "holds tensors of unknown type '" + name + "'");
}

at::Tensor tensor_from(const json& entry, const char* data, uint64_t data_bytes,
                       const std::string& name, const std::string& path) {
  const auto shape = entry.at("shape").get<std::vector<int64_t>>();
  const auto offsets = entry.at("data_offsets").get<std::vector<uint64_t>>();
  const at::ScalarType type = type_of(entry.at("dtype").get<std::string>(), path);
  uint64_t bytes = at::elementSize(type);
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) bytes = 0;
  for (const int64_t size : shape) {
    if (size < 0 || (size > 0 && bytes > data_bytes / static_cast<uint64_t>(size))) {
      throw InputError(path, "tensor '" + name + "' is larger than the file");
    }
    bytes *= static_cast<uint64_t>(size);
  }
  if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data_bytes ||
      offsets[1] - offsets[0] != bytes) {
    throw InputError(path, "tensor '" + name + "' does not fit its place in the file",
                     "the file is truncated or damaged; fetch it again");
  }
  at::Tensor tensor = at::empty(shape, at::TensorOptions(type));
  if (bytes > 0) std::memcpy(tensor.data_ptr(), data + offsets[0], bytes);
  return tensor;
}

// Every byte of the data belongs to exactly one tensor.
void require_exact_cover(const json& header, uint64_t data_bytes, const std::string& path) {
  std::vector<std::pair<uint64_t, uint64_t>> stretches;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    const auto offsets = entry.at("data_offsets").get<std::vector<uint64_t>>();
    if (offsets.size() == 2) stretches.emplace_back(offsets[0], offsets[1]);
  }
  std::sort(stretches.begin(), stretches.end());
  uint64_t covered = 0;
  for (const auto& [begin, end] : stretches) {
    if (begin != covered) {
      throw InputError(path, "has tensors that overlap or leave a gap at byte " +
                                 std::to_string(covered) + " of the data");
    }
    covered = end;
  }
  if (covered != data_bytes) {
    throw InputError(path,
                     "holds " + std::to_string(data_bytes) + " bytes of data, its tensors " +
                         std::to_string(covered),
                     "the file is truncated or damaged; fetch it again");
  }
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::map<std::string, at::Tensor> sorted;
  for (const auto& [name, value] : tensors) {
    sorted[name] = value.detach().to(at::kCPU).contiguous();
  }
  json header = json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const auto& [name, value] : sorted) {
    const uint64_t bytes = value.numel() * value.element_size();
    header[name] = {{"dtype", name_of(value.scalar_type())},
                    {"shape", value.sizes().vec()},
                    {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // tensors start 8-byte aligned
  const uint64_t length = text.size();
  std::string content(reinterpret_cast<const char*>(&length), 8);
  content += text;
  for (const auto& [name, value] : sorted) {
    content.append(static_cast<const char*>(value.data_ptr()),
                   static_cast<size_t>(value.numel()) * value.element_size());
  }
  common::write_file_atomically(path, content);
}

SafetensorsContent read_safetensors(const std::filesystem::path& path) {
  const std::string content = common::read_file(path);
  uint64_t length = 0;
  if (content.size() >= 8) std::memcpy(&length, content.data(), 8);
  if (content.size() < 8 || length > content.size() - 8) {
    throw InputError(path.string(), "is not a whole safetensors file", "fetch it again");
  }
  try {
    const json header = json::parse(content.data() + 8, content.data() + 8 + length);
    const char* data = content.data() + 8 + length;
    const uint64_t data_bytes = content.size() - 8 - length;
    if (!header.is_object()) throw InputError(path.string(), "has a header that is no object");
    SafetensorsContent result;
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__") {
        result.metadata = entry.get<std::map<std::string, std::string>>();
      } else {
        result.tensors[name] = tensor_from(entry, data, data_bytes, name, path.string());
      }
    }
    require_exact_cover(header, data_bytes, path.string());
    return result;
  } catch (const json::exception& failure) {
    throw InputError(path.string(), std::string("has a damaged header: ") + failure.what());
  }
}

void load_parameters(const NamedTensors& parameters,
                     const std::map<std::string, at::Tensor>& values, const std::string& source) {
  std::string problems;
  const auto add = [&](const std::string& text) {
    problems += (problems.empty() ? "" : ", ") + text;
  };
  std::map<std::string, at::Tensor> left = values;
  for (const auto& [name, parameter] : parameters) {
    const auto found = values.find(name);
    if (found == values.end()) {
      add("'" + name + "' is missing");
    } else if (found->second.sizes() != parameter.sizes()) {
      add("'" + name + "' has another shape");
    }
    left.erase(name);
  }
  for (const auto& [name, value] : left) add("'" + name + "' belongs to no parameter");
  if (!problems.empty()) {
    throw InputError(source, "does not fit the network: " + problems,
                     "give the settings it was trained with");
  }
  for (const auto& [name, parameter] : parameters) {
    parameter.detach().copy_(values.at(name));
  }
}

}  // namespace muster::models
