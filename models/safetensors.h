// Weight files in the safetensors format: an 8-byte length, a JSON header, raw little-endian
// tensors.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "models/model.h"

namespace muster::models {

// Names sorted, `metadata` into "__metadata__"; the same tensors give the same bytes. Written aside
// and renamed. Throws SystemError naming the file.
void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata);

struct SafetensorsContent {
  std::map<std::string, at::Tensor> tensors;
  std::map<std::string, std::string> metadata;
};

// Throws InputError naming the file if it is missing, truncated, or not consistent.
SafetensorsContent read_safetensors(const std::filesystem::path& path);

// Copies every tensor into the parameter of its name. Throws InputError listing all names that are
// missing, left over or of another shape.
void load_parameters(const NamedTensors& parameters,
                     const std::map<std::string, at::Tensor>& values, const std::string& source);

}  // namespace muster::models
