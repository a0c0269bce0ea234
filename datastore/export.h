// A store written back out as a dataset: what muster ingest reads again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "common/progress_sink.h"

namespace muster::datastore {

struct ExportResult {
  std::string layout;      // that muster ingest --layout reads it with
  std::string annotation;  // that joints came from; empty: none, or from the shards
  int64_t tracklets = 0, frames = 0;
};

// Writes the layout that the store came from; videos become SDU-VID folders. JPEG frames keep their
// bytes, raw ones become PNG; joints become tables; splits, roles and the mark of synthetic data
// are kept. Frames are numbered from 1.
//
// Joints are those of the named annotation; without a name those of the shards or, where they have
// none, of the only annotation (tracklet_store.h).
//
// Throws InputError if `output` holds something, SystemError naming the file in `output` that could
// not be written, or the store's damaged frame. Then nothing is left behind.
ExportResult export_store(const std::filesystem::path& store, const std::filesystem::path& output,
                          const std::string& annotation, common::ProgressSink& progress);

}  // namespace muster::datastore
