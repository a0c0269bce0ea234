// Weights that a training starts from (training.initialize_from): ImageNet's, or those of a run.
#pragma once

#include <string>
#include <vector>

#include "common/progress_sink.h"
#include "models/model.h"
#include "proto/experiment.pb.h"

namespace muster::trainer {

// SHA-256 of every file that is named, in that order: what a path alone does not say. Throws
// InputError naming the setting or the file.
std::vector<std::string> hashes_of_initial_weights(const proto::Training& training);

// Copies what each entry gives into `weights`, a later one over an earlier, and tells `progress`
// what was left out. Entry i is called training.initialize_from[i]. Throws InputError naming the
// entry where a module is not there, the file where it is damaged or does not fit.
void load_initial_weights(const proto::Training& training, const models::NamedTensors& weights,
                          common::ProgressSink& progress);

}  // namespace muster::trainer
