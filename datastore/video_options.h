// How people are found in footage and cut out of it.
#pragma once

#include <cstdint>

#include "datastore/dataset_reader.h"
#include "datastore/person_detector.h"
#include "datastore/person_tracker.h"

namespace muster::datastore {

struct VideoOptions {
  int frame_height = 128, frame_width = 64;  // of a crop, pixels
  int64_t minimum_frames = 16;               // of a tracklet; shorter ones are dropped
  int64_t gap_frames = 5;                    // dropped between the halves of a track
  int64_t detection_interval_frames = 3;     // the detector sees every third frame
  double margin = 0.05;  // around a detected body, as a share of its height, each side
  int jobs = 1;          // threads that detect; the result does not depend on it
  OnError on_error = OnError::kFail;
  DetectorOptions detector;
  TrackerOptions tracker;
};

// A track of the detector must be this long: two halves with the gap between them.
inline int64_t shortest_found_track(const VideoOptions& options) {
  return 2 * options.minimum_frames + options.gap_frames;
}

}  // namespace muster::datastore
