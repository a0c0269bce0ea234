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

// Throws InputError naming the file, and the tensor where one is at fault, if the file is missing,
// truncated or contradicts itself: names that come twice, members of an entry that do,
// types that are not known, more than 64 axes, shapes or places that do not fit, tensors that
// overlap, bytes of no tensor, a header above 100 MB or nested more than 8 deep. The message is one
// line in which long names are cut.
SafetensorsContent read_safetensors(const std::filesystem::path& path);

}  // namespace muster::models
