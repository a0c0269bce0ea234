// One tracklet from its source to the bytes that a shard holds.
#pragma once

#include <cstdint>
#include <vector>

#include "datastore/dataset_reader.h"
#include "datastore/ingest.h"
#include "datastore/shard_writer.h"

namespace muster::datastore {

// The picture as it is stored. A JPEG file that has the right size already is kept as it is: no
// second loss, no work.
std::vector<uint8_t> stored_picture(const SourceFrame& frame, const IngestOptions& options);

// Reads, resizes and encodes every frame and computes the flow between them. Throws InputError
// naming what cannot be read, or if joints are there and `has_joints` is false or the reverse.
EncodedTracklet encode_tracklet(const DatasetReader& dataset, size_t index,
                                const IngestOptions& options, bool has_joints);

// What reading a tracklet would meet.
struct TrackletLook {
  std::string fault;  // "" if none; names files without their folders, wherever the dataset lies
  bool has_joints = false;
};
TrackletLook look_at_tracklet(const DatasetReader& dataset, size_t index);

}  // namespace muster::datastore
