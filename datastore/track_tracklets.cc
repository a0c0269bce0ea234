#include "datastore/track_tracklets.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace muster::datastore {
namespace {

// Boxes [first, last) of the track, cut where frames lack.
void append_runs(const CutTrack& track, size_t first, size_t last, const TrackOwner& owner,
                 int64_t minimum_frames, std::vector<FilmedTracklet>& tracklets) {
  for (size_t begin = first, end = first; begin < last; begin = end) {
    end = begin + 1;
    while (end < last && track.boxes[end].frame == track.boxes[end - 1].frame + 1) ++end;
    if (static_cast<int64_t>(end - begin) < minimum_frames) continue;
    FilmedTracklet tracklet;
    tracklet.description = {owner.identity, owner.camera, 0, static_cast<int64_t>(end - begin),
                            owner.name,     kRoleNone};
    tracklet.film = owner.film;
    tracklet.first_frame = track.boxes[begin].frame;
    for (size_t box = begin; box < end; ++box) tracklet.crops.push_back(track.boxes[box].crop);
    tracklets.push_back(std::move(tracklet));
  }
}

}  // namespace

void append_whole_track(const CutTrack& track, const TrackOwner& owner, int64_t minimum_frames,
                        std::vector<FilmedTracklet>& tracklets) {
  append_runs(track, 0, track.boxes.size(), owner, minimum_frames, tracklets);
}

void append_track_halves(const CutTrack& track, const TrackOwner& owner, int64_t minimum_frames,
                         int64_t gap_frames, std::vector<FilmedTracklet>& tracklets) {
  const auto length = static_cast<int64_t>(track.boxes.size());
  const int64_t half = (length - gap_frames) / 2;
  if (half < minimum_frames) return;
  std::vector<FilmedTracklet> early, late;
  TrackOwner part = owner;
  part.camera = 1, part.name = owner.name + "/early_half";
  append_runs(track, 0, static_cast<size_t>(half), part, minimum_frames, early);
  part.camera = 2, part.name = owner.name + "/late_half";
  append_runs(track, static_cast<size_t>(length - half), static_cast<size_t>(length), part,
              minimum_frames, late);
  if (early.empty() || late.empty()) return;
  std::move(early.begin(), early.end(), std::back_inserter(tracklets));
  std::move(late.begin(), late.end(), std::back_inserter(tracklets));
}

void put_in_order(std::vector<FilmedTracklet>& tracklets) {
  const auto key = [](const FilmedTracklet& tracklet) {
    const TrackletDescription& description = tracklet.description;
    return std::tie(description.identity, description.camera, tracklet.film, tracklet.first_frame,
                    description.name);
  };
  std::sort(tracklets.begin(), tracklets.end(),
            [&](const auto& left, const auto& right) { return key(left) < key(right); });
  std::map<std::string, int> parts;
  for (size_t i = 0; i < tracklets.size(); ++i) {
    TrackletDescription& description = tracklets[i].description;
    if (i > 0) {
      const TrackletDescription& before = tracklets[i - 1].description;
      if (before.identity == description.identity && before.camera == description.camera) {
        description.sequence = before.sequence + 1;
      }
    }
    const int part = ++parts[description.name];
    if (part > 1) description.name += "/part_" + std::to_string(part);
  }
}

}  // namespace muster::datastore
