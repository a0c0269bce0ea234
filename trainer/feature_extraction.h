// Signatures of a store's tracklets under a trained network.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "common/progress_sink.h"
#include "models/model.h"
#include "proto/experiment.pb.h"
#include "trainer/communicator.h"
#include "trainer/feature_file.h"
#include "trainer/run_directory.h"

namespace muster::trainer {

struct ExtractionRequest {
  FinishedRun run;
  proto::Extraction extraction;
  std::string store_name;
  std::filesystem::path store_directory;
  std::string protocol;  // empty: the layout's own
  int32_t roles = 0;     // datastore::Role bits that are wanted
  int threads = 1;       // tracklets in work at a time
};

// The network of a finished training with its weights, in float32. Throws InputError naming the
// weight file if it does not fit.
std::unique_ptr<models::Model> load_model(const FinishedRun& run);

// Throws InputError if the table says that other weights than the run's made it.
void require_features_of_run(const FeatureTable& table, const FinishedRun& run);

// Rows in the store's order: every tracklet with one of the wanted roles. The frames that the
// settings choose of a tracklet, max_frames of them or all of a shorter one (with fixed_length as
// often as it takes), pass through the network as one clip, once per variant (crop x flip). The
// table holds every tensor of the signature that the network's distance reads. Throws InputError if
// the network has no distance, nothing is wanted, the weights do not fit, a setting is out of range
// or the store has no flow that the network needs.
FeatureTable extract_features(const ExtractionRequest& request, common::ProgressSink& progress);

// The same into a feature file, row by row, so that memory does not grow with the store;
// collective. Each rank extracts every size()-th tracklet into a file of its own beside `path`,
// which all ranks must see, and rank 0 joins them: the same bytes whatever the number of ranks.
// Returns, on rank 0, the table without its values.
FeatureTable extract_to_file(const ExtractionRequest& request, const std::filesystem::path& path,
                             Communicator& communicator, common::ProgressSink& progress);

}  // namespace muster::trainer
