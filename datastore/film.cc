#include "datastore/film.h"

#include <cmath>
#include <map>
#include <memory>

#include "common/error.h"
#include "datastore/box_files.h"
#include "datastore/film_tracks.h"

namespace muster::datastore {
namespace fs = std::filesystem;
using common::InputError;

namespace {

std::string pixels(double length) { return std::to_string(std::lround(length)); }

[[noreturn]] void nobody_seen(const Film& film, int64_t frames, const VideoOptions& options) {
  const std::string shortest = std::to_string(shortest_found_track(options)) + " frames or longer";
  if (film.origin == BoxOrigin::kMotDetections) {
    throw InputError(film.box_file.string(), "has no boxes that can be joined for " + shortest,
                     "muster joins boxes of people who walk; gt/gt.txt would give tracks");
  }
  throw InputError(film.place.video.string(),
                   "shows nobody for " + shortest + " among " + std::to_string(frames) + " frames",
                   "muster looks for upright people of " +
                       pixels(options.detector.smallest_person_pixels) + " to " +
                       pixels(options.detector.largest_person_pixels) +
                       " pixels height who walk; scale the video, give boxes, or choose another");
}

// By the detector or of given boxes; judges the film's end.
std::vector<FilmedTrack> followed_people(const Film& film, FaultList& faults,
                                         const VideoOptions& options,
                                         common::ProgressSink& progress) {
  const bool joins = film.origin == BoxOrigin::kMotDetections;
  std::map<int64_t, std::vector<FilmedBox>> boxes;
  if (joins) boxes = read_mot_detections(film.box_file, faults);
  const std::unique_ptr<FilmFrames> frames = open_film_frames(film.place);
  std::vector<FilmedTrack> tracks =
      joins ? joined_tracks(*frames, film.box_file, boxes, faults, options, progress)
            : detected_tracks(*frames, film.name, options, progress);
  const bool ends_early = judge_end(*frames, film.place, faults, progress);
  const int64_t last = boxes.empty() ? 0 : boxes.rbegin()->first + 1;
  if (last > frames->frames_read() && !ends_early) {
    faults.leave_out(film.box_file.string(),
                     "has boxes up to frame " + std::to_string(last) + ", the film has " +
                         std::to_string(frames->frames_read()) + " frames",
                     "give the boxes of this film");
  }
  if (tracks.empty()) nobody_seen(film, frames->frames_read(), options);
  return tracks;
}

}  // namespace

CutFilm cut_film(const Film& film, CropSpool& spool, FaultList& faults, const VideoOptions& options,
                 common::ProgressSink& progress) {
  const bool from_rows = film.origin == BoxOrigin::kBoxFile || film.origin == BoxOrigin::kMotTruth;
  std::vector<FilmedTrack> tracks;
  if (film.origin == BoxOrigin::kBoxFile) tracks = read_box_file(film.box_file, faults);
  if (film.origin == BoxOrigin::kMotTruth) tracks = read_mot_truth(film.box_file, faults);
  if (!from_rows) tracks = followed_people(film, faults, options, progress);
  CutFilm cut;
  if (!tracks.empty()) {
    cut = cut_people(film.place, film.name, tracks, film.box_file, !from_rows, spool, faults,
                     options, progress);
  }
  if (cut.tracks.empty()) {
    throw InputError(film.box_file.string(), "has no box that can be used",
                     "see docs/guides/datasets.md for its form");
  }
  return cut;
}

std::vector<fs::path> sources_of(const Film& film) {
  std::vector<fs::path> sources;
  if (!film.place.video.empty()) sources.push_back(film.place.video);
  for (const fs::path& picture : film.place.pictures) {
    if (!picture.empty()) sources.push_back(picture);
  }
  if (!film.box_file.empty()) sources.push_back(film.box_file);
  sources.insert(sources.end(), film.others.begin(), film.others.end());
  return sources;
}

}  // namespace muster::datastore
