// Which factors training.optimizer.group gives a parameter.
#pragma once

#include <vector>

#include "models/model.h"
#include "proto/experiment.pb.h"

namespace muster::trainer {

struct GroupFactors {
  double learning_rate = 1, weight_decay = 1;
};

// One for each parameter, in their order. Throws InputError naming the group whose prefix or suffix
// no parameter has (with the nearest name), that is there twice, or whose factor is not a number of
// at least 0.
std::vector<GroupFactors> group_factors(const proto::Optimizer& settings,
                                        const models::NamedTensors& parameters);

}  // namespace muster::trainer
