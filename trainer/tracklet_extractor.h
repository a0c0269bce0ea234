// Test tracklets through a trained network, one at a time.
#pragma once

#include <memory>
#include <vector>

#include "datastore/clip_loader.h"
#include "models/model.h"
#include "trainer/feature_extraction.h"
#include "trainer/rank_tensors.h"

namespace muster::trainer {

// What the tracklets of one request, which must outlive this, share. Its functions may run in
// several threads.
class TrackletExtractor {
 public:
  // Throws InputError as extract_features() says.
  explicit TrackletExtractor(const ExtractionRequest& request);
  // All rows, without tensors.
  FeatureTable empty_table() const;
  // Of wanted tracklet `i`, each tensor [windows, ...].
  models::Signature signature(size_t i) const;

 private:
  // One tracklet through every window.
  struct TrackletInput {
    std::vector<float> values;             // [windows, frames, channels, height, width]
    std::vector<datastore::Joint> joints;  // [windows, frames, kJointCount], if the format has them
  };
  // `row`: its row in the store.
  TrackletInput tracklet_input(size_t row, const std::vector<int32_t>& frames) const;

  const ExtractionRequest& request_;
  const std::unique_ptr<models::Model> model_;
  const datastore::ClipFormat format_;
  const datastore::TrackletStore store_;
  const std::vector<datastore::ClipWindow> windows_;
  const datastore::OcclusionOptions occlusion_;
  const std::vector<int32_t> roles_;  // of every tracklet of the store
  std::vector<size_t> wanted_;        // rows in the store
  const std::unique_ptr<Communicator> communicator_;
  mutable CommunicatorStatisticsExchange statistics_;
};

}  // namespace muster::trainer
