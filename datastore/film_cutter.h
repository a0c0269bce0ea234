// Everybody in one film, cut out in one pass.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/progress_sink.h"
#include "datastore/box_files.h"
#include "datastore/crop_spool.h"
#include "datastore/film_frames.h"
#include "datastore/video_options.h"

namespace muster::datastore {

struct CutBox {
  int64_t frame = 0;  // of the film, from 0
  int64_t crop = 0;   // in the spool
};

struct CutTrack {
  int32_t number = 0;
  std::vector<CutBox> boxes;  // by rising frame; none where all of its frames are lost
};

struct CutFilm {
  int64_t frames = 0;  // decoded
  std::vector<CutTrack> tracks;
  std::string early_end;  // as FilmFrames::early_end()
};

// `box_file` is what messages name for boxes with a line. A picture that is missing or cannot be
// read, a box outside its picture and a box behind the last frame are faults; where they are
// skipped, the picture's boxes or the box's whole track are missing in the result. A film that ends
// early is one too unless `end_is_judged`; boxes behind its end are then dropped. Throws InputError
// as open_film_frames does, and if no frame can be decoded.
CutFilm cut_people(const FilmPlace& place, const std::string& name,
                   const std::vector<FilmedTrack>& tracks, const std::filesystem::path& box_file,
                   bool end_is_judged, CropSpool& spool, FaultList& faults,
                   const VideoOptions& options, common::ProgressSink& progress);

// Of `frames` that were read to the end: true, and a fault, if they end early. Throws InputError if
// there were none.
bool judge_end(const FilmFrames& frames, const FilmPlace& place, FaultList& faults,
               common::ProgressSink& progress);

}  // namespace muster::datastore
