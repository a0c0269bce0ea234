// Boxes of the same person through the frames of one video.
//
// Between detections a box moves by the median displacement of points on the body (sparse pyramidal
// Lucas-Kanade, checked backwards). Detections join tracks greedily, the best pair first, by
// overlap times likeness of clothes. At the end the points' motion gives each track's path, and a
// slowly varying correction ties it to the detections, so that crops are steady.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "datastore/image.h"
#include "datastore/person_detector.h"

namespace muster::datastore {

// Chosen on footage of 10 frames per second, every third of them searched.
struct TrackerOptions {
  double minimum_overlap = 0.25;       // intersection over union of a track and its detection
  double minimum_likeness = 0.82;      // of colour histograms, 0 to 1; below, it is somebody else
  double maximum_turn_heights = 0.05;  // believed change of velocity, box heights per frame
  double minimum_start_score = 0.5;    // of a detection that begins a track
  int maximum_missed_detections = 3;   // in a row; then the track ends where it was last seen
  // Tracks that are dropped at the end: too few detections, a low mean score, seen in too small a
  // share of the frames that were searched, or staying within this many box heights (scenery).
  int minimum_detections = 5;
  double minimum_mean_score = 0.6;
  double minimum_seen_share = 0.5;
  double minimum_travel_heights = 0.5;
  double smoothing_detections = 2.0;  // standard deviation of the smoothing, in detections
};

// Consecutive frames from first_frame on.
struct Track {
  int64_t first_frame = 0;
  double mean_score = 0;
  std::vector<PersonBox> boxes;
};

// One object, one thread. The same calls give the same tracks.
class PersonTracker {
 public:
  explicit PersonTracker(const TrackerOptions& options = {});
  ~PersonTracker();

  // Every frame in order, all of one size (RequirementError); `people` only where they were sought.
  void add_frame(const Image& frame, const std::optional<std::vector<PersonBox>>& people);

  // Tracks in order of their first frame, then of their first box from left to right.
  std::vector<Track> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace muster::datastore
