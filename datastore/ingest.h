// Builds a store from a dataset: decode, resize, flow, encode in threads; shards written one after
// the other; the manifest last.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "common/progress_sink.h"
#include "datastore/dataset_reader.h"
#include "datastore/manifest.h"

namespace muster::datastore {

struct IngestOptions {
  int frame_height = 128, frame_width = 64;  // pixels; pictures of another size are resampled
  FrameEncoding encoding = FrameEncoding::kJpeg;
  int flow_height = 64, flow_width = 48;     // 0: no flow
  uint64_t shard_bytes = uint64_t{1} << 30;  // payload aimed at; a tracklet is never divided
  int jobs = 1;                              // threads; changes no byte of the result
  OnError on_error = OnError::kFail;
  // As McLaughlin's preprocessing stored it: each vector rounded before it is resampled.
  bool whole_pixel_flow = false;
};

enum class IngestOutcome { kBuilt, kContinued, kAlreadyThere };

struct IngestResult {
  IngestOutcome outcome;
  Manifest manifest;
};

// Safe to run again: finished shards of the same dataset and options are kept, a finished store is
// left alone. Safe to run several times at once, also on several machines: each writes the shards
// that nobody else is writing, and all return when the store is finished. Throws InputError if
// `store` holds a store of other data or options, or anything else; if it would not fit on the
// disk; if a frame cannot be read and on_error is kFail; SystemError if the disk fails. What stood
// there stays.
IngestResult ingest(const DatasetReader& dataset, const std::filesystem::path& store,
                    const IngestOptions& options, common::ProgressSink& progress);

}  // namespace muster::datastore
