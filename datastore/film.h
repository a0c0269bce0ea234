// One camera's film, and the people in it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/progress_sink.h"
#include "datastore/crop_spool.h"
#include "datastore/fault_list.h"
#include "datastore/film_cutter.h"
#include "datastore/film_frames.h"
#include "datastore/video_options.h"

namespace muster::datastore {

enum class BoxOrigin { kDetector, kBoxFile, kMotTruth, kMotDetections };

struct Film {
  std::string name;  // of its file or folder; no other film of the footage has it
  FilmPlace place;
  BoxOrigin origin = BoxOrigin::kDetector;
  std::filesystem::path box_file;             // empty for the detector
  std::vector<std::filesystem::path> others;  // files that also decide the content
  std::optional<common::InputError> fault;    // why the film cannot be used
};

// Finds the people, or reads where they are, and cuts all of them out. Throws InputError, besides
// what the parts of it throw, if nobody is to be seen for long enough.
CutFilm cut_film(const Film& film, CropSpool& spool, FaultList& faults, const VideoOptions& options,
                 common::ProgressSink& progress);

// The files that decide what cut_film gives.
std::vector<std::filesystem::path> sources_of(const Film& film);

}  // namespace muster::datastore
