// Every layout that muster ingest reads, by name.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/progress_sink.h"
#include "datastore/dataset_reader.h"

namespace muster::datastore {

// What opening a dataset may need besides its path.
struct DatasetOptions {
  int frame_height = 0, frame_width = 0;  // of crops that a video is cut into
  int jobs = 1;
  OnError on_error = OnError::kFail;
};

struct LayoutEntry {
  std::string name;
  std::string summary;            // one line for --help
  int frame_height, frame_width;  // what a store of it keeps unless told otherwise
  std::unique_ptr<DatasetReader> (*open)(const std::filesystem::path& input, const DatasetOptions&,
                                         common::ProgressSink&);
};

const std::vector<LayoutEntry>& layout_catalog();

// Throws InputError naming the table of info/ and its row where one does not fit the folders.
std::unique_ptr<DatasetReader> open_mars(const std::filesystem::path& root,
                                         const DatasetOptions& options,
                                         common::ProgressSink& progress);

std::unique_ptr<DatasetReader> open_prid2011(const std::filesystem::path& root,
                                             const DatasetOptions& options,
                                             common::ProgressSink& progress);
std::unique_ptr<DatasetReader> open_ilids_vid(const std::filesystem::path& root,
                                              const DatasetOptions& options,
                                              common::ProgressSink& progress);
std::unique_ptr<DatasetReader> open_sdu_vid(const std::filesystem::path& root,
                                            const DatasetOptions& options,
                                            common::ProgressSink& progress);

}  // namespace muster::datastore
