// Experiment files: protobuf text, with all mistakes listed at once, and --set on top.
#pragma once

#include <string>
#include <vector>

#include "common/error.h"
#include "proto/experiment.pb.h"
#include "proto/stage.pb.h"

namespace muster::launcher {

// All that is wrong with an experiment: what() has a line for each problem and one that counts
// them.
class ExperimentProblems : public common::InputError {
 public:
  explicit ExperimentProblems(const std::vector<std::string>& problems);
  const char* what() const noexcept override { return lines_.c_str(); }

 private:
  std::string lines_;
};

// Reads the file and applies `settings` ("path.to.field=value") in order. Throws
// ExperimentProblems: of each mistake its place, its name, and the nearest right name.
proto::Experiment read_experiment(const std::string& path,
                                  const std::vector<std::string>& settings);

// One "path=value" in an experiment or another group of settings. A repeated field takes a
// comma-separated list; a message takes "on" or "off".
void apply_setting(google::protobuf::Message& settings, const std::string& setting);

// The same on settings that have come as far as `stage`, which may no longer change another one's:
// throws InputError naming the field and the stage that it belongs to, and if it is of a network
// that was not chosen.
void apply_setting_of_stage(google::protobuf::Message& settings, const std::string& setting,
                            proto::Stage stage);

}  // namespace muster::launcher
