// What a world of films shows: who walks where and when, decided before the first frame.
#pragma once

#include <string>
#include <vector>

#include "datastore/synthetic/tracklet_plan.h"

namespace muster::datastore {

constexpr int kFilmLanes = 2;  // in which people walk, 0 the nearest to the camera

// One person's way through the picture. Nobody else walks in the lane meanwhile.
struct FilmWalk {
  int identity = 0;         // of the world, from 1
  uint64_t person_key = 0;  // who is rendered
  int track = 0;            // of the film, from 1 by first frame
  int lane = 0;
  int first_frame = 0, frames = 0;  // of the film, from 0
  // Frames of the walk that its annotation lacks: [gap_first, gap_first + gap_frames).
  int gap_first = 0, gap_frames = 0;

  bool is_annotated(int frame_of_walk) const {
    return frame_of_walk < gap_first || frame_of_walk >= gap_first + gap_frames;
  }
};

struct FilmPlan {
  std::string name;  // of its folder or file, without ending
  int camera = 1;    // 1-based
  int frames = 0;
  bool is_video = false;  // one file, not pictures
  std::vector<FilmWalk> walks;
};

// One per camera. Most people are seen by several cameras, the last one by the first camera alone;
// tracks are no identities; some have gaps. Throws InputError if a film would be too long for the
// names of its pictures.
std::vector<FilmPlan> plan_films(const WorldTraits& world, const PlanRequest& request);

}  // namespace muster::datastore
