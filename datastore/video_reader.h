// Plain videos as a dataset: one file, or a folder of them, each of which is a camera.
//
// Where NAME.boxes.csv lies beside NAME.avi, its boxes and tracks are used; in other videos people
// are detected and tracked, and every track becomes an identity: nobody has labelled the footage,
// so "the same person" means "the same unbroken track", and a person who leaves and comes back is
// two. A file identities.csv in the folder says which tracks are the same person. See footage.h for
// what identities and cameras come of it, and docs/guides/datasets.md for the files.
#pragma once

#include <filesystem>
#include <memory>

#include "common/progress_sink.h"
#include "datastore/dataset_reader.h"
#include "datastore/video_options.h"

namespace muster::datastore {

// `input` is a video file or a folder. Crops follow the person, so optical flow on them shows how
// the body moves. Throws InputError naming `input` if there is no video, and as open_footage does.
std::unique_ptr<DatasetReader> open_video(const std::filesystem::path& input,
                                          const VideoOptions& options,
                                          common::ProgressSink& progress);

}  // namespace muster::datastore
