// Which tensors of a weight file go into which weights of a network (docs/formats/weights.md).
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "models/model.h"

namespace muster::models {

// Names sorted; `text` says why.
struct WeightProblem {
  std::string name, text;
};

struct WeightReport {
  std::vector<std::string> loaded;
  std::vector<WeightProblem> not_fitting;  // of this name, but of another shape or type
  std::vector<std::string> missing;        // weights of the network that the file does not have
  std::vector<std::string> unused;         // tensors of the file that the network does not have
  // Counts, then a line for each of the first eight of every kind that was not loaded, and how many
  // more there are.
  std::string text() const;
};

enum class Loading {
  kStrict,   // every weight is in the file, and nothing else
  kPartial,  // what fits, at least a tenth of the file's tensors; other weights keep their values
};

// Copies tensors into the weights of their names, converting between floating-point types. torch's
// counters `num_batches_tracked` are passed over. Throws InputError naming `source` and the tensors
// if what `loading` demands does not hold, or if a tensor that would be copied holds values that
// are not finite; then no weight is changed.
WeightReport load_weights(const NamedTensors& weights,
                          const std::map<std::string, at::Tensor>& values, Loading loading,
                          const std::string& source);

}  // namespace muster::models
