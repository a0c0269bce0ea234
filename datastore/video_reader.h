// One video as a dataset: people are detected and tracked, and every track becomes an identity.
//
// Nobody has labelled the footage, so "the same person" means "the same unbroken track". A track is
// cut into an early half, camera 1, and a late half, camera 2, with a few frames dropped in
// between: the first frame of one half would otherwise be nearly the last of the other, and finding
// the partner would be a comparison of two neighbouring pictures. A person who leaves and comes
// back is two identities. Crops follow the person, so optical flow on them shows how the body
// moves.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "common/progress_sink.h"
#include "datastore/dataset_reader.h"
#include "datastore/person_detector.h"
#include "datastore/person_tracker.h"

namespace muster::datastore {

struct VideoOptions {
  int frame_height = 128, frame_width = 64;  // of a crop, pixels
  int64_t minimum_frames = 16;               // of each half; shorter tracks are dropped
  int64_t gap_frames = 5;                    // dropped between the halves
  int64_t detection_interval_frames = 3;     // the detector sees every third frame
  int64_t max_frames = 0;                    // stop after this many; 0: the whole video
  double margin = 0.05;                      // around the body, as a share of its height, each side
  int jobs = 1;  // threads that detect; the result does not depend on it
  DetectorOptions detector;
  TrackerOptions tracker;
};

// Reads the video twice, first to find people, then to cut them out; the crops stay in memory (24
// KiB each at 128x64). Identities are numbered from 1 in order of the tracks' first frames;
// tracklets come by identity, then camera. A video that ends before the frame count in its header
// is used as far as it goes, and `progress` is told.
//
// Throws InputError naming `video` if it is missing, is no video that can be decoded, has no frames
// or shows nobody for long enough.
std::unique_ptr<DatasetReader> open_video(const std::filesystem::path& video,
                                          const VideoOptions& options,
                                          common::ProgressSink& progress);

}  // namespace muster::datastore
