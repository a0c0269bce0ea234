// What is to be rendered: every tracklet with its names, decided before the first frame.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datastore/file_names.h"
#include "datastore/synthetic/world_traits.h"

namespace muster::datastore {

struct TrackletPlan {
  int identity = 0;         // as the dataset's layout numbers it
  uint64_t person_key = 0;  // who is rendered
  int camera = 1;           // 1-based
  int sequence = 1;         // among the tracklets of the identity in the camera
  double misalignment = 1;  // factor on the world's jitter of boxes
  std::string folder;       // of the frames, relative to the output
  std::string joints_file;  // relative to the output
  std::vector<std::string> frame_names;
};

struct PlanRequest {
  int identities = 0, frames = 0;
  uint64_t seed = 0;
};

// In the order of the dataset's own lists. Each fits one world's layout.
std::vector<TrackletPlan> plan_prid2011(const PlanRequest& request);
std::vector<TrackletPlan> plan_ilids_vid(const PlanRequest& request);
std::vector<TrackletPlan> plan_sdu_vid(const PlanRequest& request);
std::vector<TrackletPlan> plan_mars(const PlanRequest& request);

std::vector<TrackletPlan> plan_world(const WorldTraits& world, const PlanRequest& request);

// Random length around the request's mean; 20 at least where the mean allows it.
int drawn_length(const PlanRequest& request, uint64_t person_key, int camera, int sequence);

}  // namespace muster::datastore
