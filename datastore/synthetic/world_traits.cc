#include "datastore/synthetic/world_traits.h"

#include "common/error.h"

namespace muster::datastore {
namespace {

// Six outdoor cameras of a campus, larger pictures, boxes of a detector and a tracker.
WorldTraits mars() {
  WorldTraits world;
  world.name = "mars";
  world.cameras = 6;
  world.frame_width = 128;
  world.frame_height = 256;
  world.identities = 40;
  world.clutter = 0.5;
  world.backdrop_saturation = 0.18;
  world.backdrop_change = 0.25;
  world.relief = 0.2;
  world.wall_and_floor = 0.06;
  world.occluder_chance = 0.25;
  world.crowd_chance = 0.3;
  world.camera_change = 0.6;
  world.tracklet_change = 0.35;
  world.box_jitter = 0.035;
  world.heading_spread = 0.6;
  world.headings = {0.3, 1.4, -1.3, 2.8, 0.9, -2.4};
  return world;
}

// What is the same in all of a camera's tracklets and differs between cameras (relief,
// wall_and_floor, opposite headings) misleads fixed features, yet can be learned from 60 people;
// what differs from tracklet to tracklet cannot. The amounts below were tuned by that.

// Two cameras over a crossing: few things and people in the way, well fitting boxes.
WorldTraits prid2011() {
  WorldTraits world;
  world.name = "prid2011";
  world.clutter = 0.1;
  world.backdrop_saturation = 0.08;
  world.backdrop_change = 0.09;
  world.relief = 0.38;
  world.wall_and_floor = 0.11;
  world.occluder_chance = 0.05;
  world.crowd_chance = 0.08;
  world.camera_change = 0.1;
  world.tracklet_change = 0.12;
  world.box_jitter = 0.014;
  world.heading_spread = 0.2;
  world.headings = {0.75, -0.35};
  return world;
}

// Two cameras in an arrival hall: more people and things in the way, more change of light.
WorldTraits ilids_vid() {
  WorldTraits world;
  world.name = "ilids-vid";
  world.clutter = 0.26;
  world.backdrop_saturation = 0.12;
  world.backdrop_change = 0.07;
  world.relief = 0.38;
  world.wall_and_floor = 0.11;
  world.occluder_chance = 0.09;
  world.crowd_chance = 0.2;
  world.camera_change = 0.12;
  world.tracklet_change = 0.16;
  world.box_jitter = 0.014;
  world.heading_spread = 0.17;
  world.headings = {0.45, -0.45};
  return world;
}

// Two cameras on a campus, long sequences, between the other two in difficulty.
WorldTraits sdu_vid() {
  WorldTraits world;
  world.name = "sdu-vid";
  world.frames = 60;
  world.clutter = 0.25;
  world.backdrop_saturation = 0.18;
  world.backdrop_change = 0.1;
  world.relief = 0.28;
  world.wall_and_floor = 0.05;
  world.occluder_chance = 0.2;
  world.crowd_chance = 0.25;
  world.camera_change = 0.3;
  world.tracklet_change = 0.2;
  world.box_jitter = 0.025;
  world.heading_spread = 0.25;
  world.headings = {0.9, -0.3};
  return world;
}

// Fixed cameras over a street in which people walk to the left or right.
WorldTraits films(const std::string& name, int cameras) {
  WorldTraits world;
  world.name = name;
  world.is_filmed = true;
  world.cameras = cameras;
  world.frame_width = 320;
  world.frame_height = 240;
  world.identities = 12;
  world.frames = 48;
  world.clutter = 0.2;
  world.backdrop_saturation = 0.12;
  world.backdrop_change = 0.08;
  world.relief = 0.1;
  world.wall_and_floor = 0.08;
  world.camera_change = 0.3;
  world.tracklet_change = 0.15;
  world.heading_spread = 0.15;
  return world;
}

}  // namespace

const std::vector<WorldTraits>& all_world_traits() {
  static const std::vector<WorldTraits> worlds = {mars(),    prid2011(),      ilids_vid(),
                                                  sdu_vid(), films("mot", 3), films("video", 2)};
  return worlds;
}

const WorldTraits& world_traits(const std::string& name) {
  std::string known;
  for (const WorldTraits& world : all_world_traits()) {
    if (world.name == name) return world;
    known += (known.empty() ? "" : ", ") + world.name;
  }
  throw common::InputError("world " + name, "is not known", "choose one of " + known);
}

}  // namespace muster::datastore
