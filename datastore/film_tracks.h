// Who walks through a film: people found by the detector, or boxes of another detector joined.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/progress_sink.h"
#include "datastore/box_files.h"
#include "datastore/film_frames.h"
#include "datastore/video_options.h"

namespace muster::datastore {

// Tracks of at least shortest_found_track() frames without gaps, numbered from 1 in order of their
// first frames. Reads `frames` to the end. Throws InputError naming what lacks if a frame does.
std::vector<FilmedTrack> detected_tracks(FilmFrames& frames, const std::string& name,
                                         const VideoOptions& options,
                                         common::ProgressSink& progress);

// The same from the boxes of `box_file`, which are taken to be all people in all frames. A box
// outside its picture is a fault of that row.
std::vector<FilmedTrack> joined_tracks(FilmFrames& frames, const std::filesystem::path& box_file,
                                       const std::map<int64_t, std::vector<FilmedBox>>& boxes,
                                       FaultList& faults, const VideoOptions& options,
                                       common::ProgressSink& progress);

}  // namespace muster::datastore
