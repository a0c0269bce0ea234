#include "datastore/film_cutter.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <tuple>

#include "common/error.h"
#include "datastore/person_crop.h"
#include "datastore/table_file.h"

namespace muster::datastore {
namespace {

// Every box of a film by frame.
struct PlannedCut {
  int64_t frame;
  size_t track;  // index
  const FilmedBox* box;
};

std::vector<PlannedCut> cuts_by_frame(const std::vector<FilmedTrack>& tracks) {
  std::vector<PlannedCut> cuts;
  for (size_t track = 0; track < tracks.size(); ++track) {
    for (const FilmedBox& box : tracks[track].boxes) cuts.push_back({box.frame, track, &box});
  }
  std::sort(cuts.begin(), cuts.end(), [](const PlannedCut& left, const PlannedCut& right) {
    return std::tie(left.frame, left.track) < std::tie(right.frame, right.track);
  });
  return cuts;
}

std::string object_of(const FilmPlace& place) {
  if (!place.video.empty()) return place.video.string();
  for (const auto& picture : place.pictures) {
    if (!picture.empty()) return picture.parent_path().string();
  }
  return "";
}

class FilmCutter {
 public:
  FilmCutter(const std::vector<FilmedTrack>& tracks, const std::filesystem::path& box_file,
             CropSpool& spool, FaultList& faults, const VideoOptions& options)
      : cuts_(cuts_by_frame(tracks)),
        box_file_(box_file),
        spool_(spool),
        faults_(faults),
        options_(options) {
    for (const FilmedTrack& track : tracks) film_.tracks.push_back({track.number, {}});
  }

  void take(const FilmFrame& frame) {
    const auto begin = next_;
    while (next_ < cuts_.size() && cuts_[next_].frame == film_.frames) ++next_;
    ++film_.frames;
    if (begin == next_) return;
    if (!frame.fault.empty()) {
      faults_.leave_out(frame.fault_object, frame.fault, "fetch the picture again");
      return;
    }
    for (size_t index = begin; index < next_; ++index) cut(cuts_[index], frame.image);
  }

  // Boxes that no frame came for are faults, unless it is known why.
  CutFilm finish(bool drops_late_boxes) {
    for (; !drops_late_boxes && next_ < cuts_.size(); ++next_) {
      const PlannedCut& late = cuts_[next_];
      leave_out_track(late, "frame " + std::to_string(late.frame + 1) + " is behind the last, " +
                                std::to_string(film_.frames));
    }
    std::vector<CutTrack> usable;
    for (size_t track = 0; track < film_.tracks.size(); ++track) {
      if (left_out_.count(track) == 0) usable.push_back(std::move(film_.tracks[track]));
    }
    return {film_.frames, std::move(usable), ""};
  }

 private:
  void cut(const PlannedCut& cut, const Image& image) {
    if (left_out_.count(cut.track) > 0) return;
    const PersonBox& box = cut.box->box;
    const int height = options_.frame_height, width = options_.frame_width;
    int64_t crop;
    if (cut.box->line == 0) {
      crop = spool_.append(body_crop(image, box, options_.margin, height, width));
    } else {
      const std::string problem = problem_of_box(box, image.height, image.width);
      if (!problem.empty()) {
        leave_out_track(cut, "the box " + problem + ", " + std::to_string(image.width) + "x" +
                                 std::to_string(image.height) + " pixels");
        return;
      }
      crop = spool_.append(box_crop(image, box, height, width));
    }
    film_.tracks[cut.track].boxes.push_back({cut.frame, crop});
  }

  void leave_out_track(const PlannedCut& cut, const std::string& problem) {
    if (!left_out_.insert(cut.track).second) return;
    faults_.leave_out(place_of_line(box_file_, cut.box->line),
                      problem + " (track " + std::to_string(film_.tracks[cut.track].number) + ")",
                      "mend or remove the row");
  }

  const std::vector<PlannedCut> cuts_;
  const std::filesystem::path box_file_;
  CropSpool& spool_;
  FaultList& faults_;
  const VideoOptions& options_;
  CutFilm film_;
  size_t next_ = 0;            // of cuts_
  std::set<size_t> left_out_;  // tracks
};

}  // namespace

bool judge_end(const FilmFrames& frames, const FilmPlace& place, FaultList& faults,
               common::ProgressSink& progress) {
  const std::string object = object_of(place);
  if (frames.frames_read() == 0) {
    throw common::InputError(object, "no frame of it can be decoded",
                             "the file may be cut off or damaged");
  }
  const std::string remark = frames.remark();
  if (!remark.empty()) progress.note(object + ": " + remark);
  const std::string end = frames.early_end();
  if (end.empty()) return false;
  faults.leave_out(object, end, "fetch it again, or use --on-error skip to take what is there");
  return true;
}

CutFilm cut_people(const FilmPlace& place, const std::string& name,
                   const std::vector<FilmedTrack>& tracks, const std::filesystem::path& box_file,
                   bool end_is_judged, CropSpool& spool, FaultList& faults,
                   const VideoOptions& options, common::ProgressSink& progress) {
  const std::unique_ptr<FilmFrames> frames = open_film_frames(place);
  FilmCutter cutter(tracks, box_file, spool, faults, options);
  progress.begin("cutting people out of " + name, "frames", frames->announced_frames());
  while (const std::optional<FilmFrame> frame = frames->next()) {
    cutter.take(*frame);
    progress.advance(frames->frames_read());
  }
  progress.end();
  const bool drops_late_boxes = end_is_judged || judge_end(*frames, place, faults, progress);
  CutFilm cut = cutter.finish(drops_late_boxes);
  cut.early_end = frames->early_end();
  return cut;
}

}  // namespace muster::datastore
