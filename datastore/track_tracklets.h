// Tracks of footage as tracklets.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datastore/dataset_reader.h"
#include "datastore/film_cutter.h"

namespace muster::datastore {

struct FilmedTracklet {
  TrackletDescription description;
  size_t film = 0;
  int64_t first_frame = 0;     // of the film
  std::vector<int64_t> crops;  // in the spool, one per frame
};

// What all tracklets of a track have in common.
struct TrackOwner {
  size_t film = 0;
  int32_t identity = 0;
  int16_t camera = 0;
  std::string name;
};

// Runs of consecutive frames, each a tracklet of at least `minimum_frames`; without sequence
// numbers yet.
void append_whole_track(const CutTrack& track, const TrackOwner& owner, int64_t minimum_frames,
                        std::vector<FilmedTracklet>& tracklets);

// The same for the early half of the track's boxes, as camera 1, and the late half, as camera 2;
// `gap_frames` boxes or one more are dropped between them. Nothing if one half has no run that is
// long enough.
void append_track_halves(const CutTrack& track, const TrackOwner& owner, int64_t minimum_frames,
                         int64_t gap_frames, std::vector<FilmedTracklet>& tracklets);

// By identity, camera, film and first frame; numbers the sequences of an identity and camera from 0
// and ends the names of all but the first of a track in "/part_2", ...
void put_in_order(std::vector<FilmedTracklet>& tracklets);

}  // namespace muster::datastore
