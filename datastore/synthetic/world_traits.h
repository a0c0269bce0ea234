// How the worlds differ.
#pragma once

#include <string>
#include <vector>

namespace muster::datastore {

// Amounts are 0 for none; see the table in the source for what the worlds have.
struct WorldTraits {
  std::string name;
  bool is_filmed = false;  // films in which several people walk, not pictures of one each
  int cameras = 2, frame_width = 64, frame_height = 128;
  int identities = 120, frames = 24;  // defaults; frames of a tracklet or walk, on average
  double clutter = 0;                 // coloured things behind the people, 1 for a shopping street
  double backdrop_saturation = 0;
  double backdrop_change = 0;    // how much wall and floor change from tracklet to tracklet
  double wall_and_floor = 0;     // how far they lie apart in lightness
  double relief = 0;             // how far the shades of shutters, boards and bricks lie apart
  double occluder_chance = 0;    // of a tracklet that someone or something passes in front
  double crowd_chance = 0;       // of a tracklet that someone walks behind
  double camera_change = 0;      // how far the cameras' colours and exposures lie apart
  double tracklet_change = 0;    // how much light changes from tracklet to tracklet
  double box_jitter = 0;         // misalignment, shares of the person's height
  double heading_spread = 0;     // radians
  std::vector<double> headings;  // per camera, radians as in View
};

// Throws InputError listing the known worlds.
const WorldTraits& world_traits(const std::string& name);

const std::vector<WorldTraits>& all_world_traits();

}  // namespace muster::datastore
