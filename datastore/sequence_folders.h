// One folder of numbered pictures per tracklet: what the two-camera datasets share.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "common/progress_sink.h"
#include "datastore/fault_list.h"
#include "datastore/picture_dataset.h"

namespace muster::datastore {

struct SequenceFolder {
  std::filesystem::path folder;  // relative to the root
  int32_t identity = 0;
  int16_t camera = 0;
};

// Tracklets by identity, camera and folder; pictures by the number that their name ends in. A
// folder without pictures, with a picture that has no number, or with two of the same number is a
// fault; missing numbers are only told. Throws as `faults` decides.
PictureDataset sequence_folders_dataset(const std::filesystem::path& root, DatasetFacts facts,
                                        std::vector<SequenceFolder> folders, FaultList& faults,
                                        common::ProgressSink& progress);

}  // namespace muster::datastore
