// What a network gives for no clips: the names and the shapes of its output.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "datastore/clip_format.h"
#include "models/model.h"
#include "proto/experiment.pb.h"
#include "trainer/feature_file.h"

namespace muster::trainer {

// An input of no clips, as long as those that the experiment trains with, where the model is.
models::ModelInput no_clips(const models::Model& model, const proto::Experiment& experiment,
                            const datastore::ClipFormat& format, at::ScalarType type);

// Of such an input. Collective, as forward() is.
models::ModelOutput output_for_no_clips(models::Model& model, const proto::Experiment& experiment,
                                        const datastore::ClipFormat& format, at::ScalarType type,
                                        models::StatisticsExchange& statistics);

// Of the tensors that distance() may read, the axes after that of clips.
using SignatureShapes = std::map<std::string, std::vector<int64_t>>;
SignatureShapes scored_shapes(models::Model& model, const proto::Experiment& experiment);

// Throws InputError naming the table if it lacks one of these tensors, or has it in another shape:
// another network made it. Others that it may have do not matter.
void require_shapes(const FeatureTable& table, const SignatureShapes& shapes);

}  // namespace muster::trainer
