// Small datasets on disk, as their publishers would lay them out.
#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "datastore/dataset_catalog.h"
#include "datastore/picture_files.h"
#include "tests/datastore/small_store.h"

namespace muster::datastore {

// A folder of `frames` pictures named 0001.png, ...; their waves say subject and frame.
inline void write_person(const std::filesystem::path& folder, int subject, int frames) {
  std::filesystem::create_directories(folder);
  for (int frame = 1; frame <= frames; ++frame) {
    char name[16];
    std::snprintf(name, sizeof(name), "%04d.png", frame);
    write_picture(folder / name, waves(12, 8, subject, frame));
  }
}

using Key = std::pair<int32_t, int16_t>;
inline std::vector<Key> identities_and_cameras(const DatasetReader& dataset) {
  std::vector<Key> keys;
  for (const auto& tracklet : dataset.tracklets())
    keys.push_back({tracklet.identity, tracklet.camera});
  return keys;
}

using Opener = std::unique_ptr<DatasetReader>(const std::filesystem::path&, const DatasetOptions&,
                                              common::ProgressSink&);

inline std::unique_ptr<DatasetReader> opened(Opener* open, const std::filesystem::path& root,
                                             OnError on_error = OnError::kFail) {
  DatasetOptions options;
  options.on_error = on_error;
  common::SilentProgress progress;
  return open(root, options, progress);
}

}  // namespace muster::datastore
