// What muster score is told of distances: a metric and --set, on top of the run's settings.
#pragma once

#include <string>
#include <vector>

#include "proto/experiment.pb.h"

namespace muster::launcher {

// `source` said it: an option or a file. Throws InputError with the nearest known name.
proto::Metric metric_named(const std::string& name, const std::string& source);

// `experiment` is the run's, or empty without one. Settings are fields of stage SCORE: those of
// scoring.learned for a metric that is learned, those of the network for its own distance. Throws
// InputError naming a setting that does not reach `metric`.
proto::Experiment scored_experiment(proto::Experiment experiment,
                                    const std::vector<std::string>& settings, proto::Metric metric);

}  // namespace muster::launcher
