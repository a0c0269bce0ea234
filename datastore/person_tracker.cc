#include "datastore/person_tracker.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <opencv2/video/tracking.hpp>
#include <tuple>

#include "common/error.h"

namespace muster::datastore {
namespace {

constexpr int kGridColumns = 5, kGridRows = 9;  // points on a body
constexpr int kPyramidLevels = 3;
const cv::Size kPatch(13, 13);                // pixels around a point
constexpr float kMaximumReturnPixels = 1.0f;  // there and back again
constexpr double kMinimumReturnedShare = 0.3;
constexpr size_t kFreshFrames = 5;  // until a track's velocity is known

struct Sighting {
  int64_t frame;
  PersonBox box;
};

struct LiveTrack {
  int64_t first_frame = 0;
  std::vector<cv::Point2f> path;  // centre by the points' motion alone, one per frame
  std::vector<Sighting> sightings;
  PersonBox box;  // where it is believed to be now
  ClothingColours colours;
  cv::Point2f velocity{};        // pixels per frame
  int missed = 0, searched = 1;  // detections
  int searched_when_seen = 1;

  cv::Point2f taken_step(cv::Point2f motion, double limit_heights);
  void see(const Sighting& sighting, const ClothingColours& seen_colours);
};

cv::Point2f centre_of(const PersonBox& box) {
  return {box.x + 0.5f * box.width, box.y + 0.5f * box.height};
}

PersonBox centred_box(cv::Point2f centre, float width, float height, float score) {
  return {centre.x - 0.5f * width, centre.y - 0.5f * height, width, height, score};
}

PersonBox shifted(PersonBox box, cv::Point2f step) {
  box.x += step.x;
  box.y += step.y;
  return box;
}

float median(std::vector<float>& values) {
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// The step to take after the points saw `motion`. It differs from the mean of the last steps only
// as much as people change pace: where two cross, the points of one go over to the other.
cv::Point2f LiveTrack::taken_step(cv::Point2f motion, double limit_heights) {
  const bool fresh = path.size() <= kFreshFrames;
  const cv::Point2f change = motion - velocity;
  const double share = limit_heights * box.height / std::max(1e-6f, std::hypot(change.x, change.y));
  const cv::Point2f step = fresh ? motion : velocity + change * float(std::min(1.0, share));
  velocity += (fresh ? 0.4f : 0.15f) * change;
  return step;
}

void LiveTrack::see(const Sighting& sighting, const ClothingColours& seen_colours) {
  sightings.push_back(sighting);
  const cv::Point2f centre = 0.4f * centre_of(box) + 0.6f * centre_of(sighting.box);
  const float height = 0.7f * box.height + 0.3f * sighting.box.height;
  box = centred_box(centre, 0.5f * height, height, sighting.box.score);
  colours.approach(seen_colours, 0.1f);
  missed = 0;
  searched_when_seen = searched;
}

// Points over the chest, hips and thighs, where there is little background.
void append_body_points(const PersonBox& box, std::vector<cv::Point2f>& points) {
  for (int row = 0; row < kGridRows; ++row) {
    for (int column = 0; column < kGridColumns; ++column) {
      points.emplace_back(box.x + box.width * (0.3f + 0.4f * column / (kGridColumns - 1)),
                          box.y + box.height * (0.12f + 0.5f * row / (kGridRows - 1)));
    }
  }
}

std::vector<cv::Mat> pyramid_of(const Image& frame) {
  const cv::Mat rgb(frame.height, frame.width, CV_8UC3, const_cast<uint8_t*>(frame.rgb.data()));
  cv::Mat grey;
  cv::cvtColor(rgb, grey, cv::COLOR_RGB2GRAY);
  std::vector<cv::Mat> pyramid;
  cv::buildOpticalFlowPyramid(grey, pyramid, kPatch, kPyramidLevels);
  return pyramid;
}

using Correction = std::array<double, 3>;  // of x and y of the path, and the height; pixels

// Gaussian mean over the neighbours of sighting `middle`.
Correction smoothed(const std::vector<Correction>& corrections, size_t middle, double deviation) {
  const auto reach = static_cast<size_t>(std::ceil(3 * deviation));
  double weights = 0;
  Correction sum{};
  for (size_t index = middle > reach ? middle - reach : 0;
       index < std::min(corrections.size(), middle + reach + 1); ++index) {
    const double distance = (double(index) - double(middle)) / std::max(deviation, 1e-6);
    const double weight = std::exp(-0.5 * distance * distance);
    weights += weight;
    for (size_t part = 0; part < 3; ++part) sum[part] += weight * corrections[index][part];
  }
  for (double& part : sum) part /= weights;
  return sum;
}

// Path plus correction: smoothed at the sightings, linear in between.
Track smoothed_track(const LiveTrack& live, double deviation) {
  std::vector<Correction> corrections, steady;
  double scores = 0;
  for (const Sighting& sighting : live.sightings) {
    const cv::Point2f off =
        centre_of(sighting.box) - live.path[size_t(sighting.frame - live.first_frame)];
    corrections.push_back({off.x, off.y, sighting.box.height});
    scores += sighting.box.score;
  }
  for (size_t index = 0; index < corrections.size(); ++index) {
    steady.push_back(smoothed(corrections, index, deviation));
  }
  Track track{live.first_frame, scores / double(live.sightings.size()), {}};
  size_t before = 0;
  for (int64_t frame = live.first_frame; frame <= live.sightings.back().frame; ++frame) {
    while (before + 1 < live.sightings.size() && live.sightings[before + 1].frame <= frame) {
      ++before;
    }
    const size_t after = std::min(before + 1, live.sightings.size() - 1);
    const double span = double(live.sightings[after].frame - live.sightings[before].frame);
    const double share = span > 0 ? double(frame - live.sightings[before].frame) / span : 0;
    Correction correction;
    for (size_t part = 0; part < 3; ++part) {
      correction[part] = steady[before][part] * (1 - share) + steady[after][part] * share;
    }
    const cv::Point2f centre = live.path[size_t(frame - live.first_frame)] +
                               cv::Point2f(float(correction[0]), float(correction[1]));
    track.boxes.push_back(centred_box(centre, float(0.5 * correction[2]), float(correction[2]),
                                      live.sightings[before].box.score));
  }
  return track;
}

// Diagonal of the area that the centre stays within, in box heights.
double travel_heights(const Track& track) {
  cv::Point2f low = centre_of(track.boxes.front()), high = low;
  double heights = 0;
  for (const PersonBox& box : track.boxes) {
    const cv::Point2f centre = centre_of(box);
    low = {std::min(low.x, centre.x), std::min(low.y, centre.y)};
    high = {std::max(high.x, centre.x), std::max(high.y, centre.y)};
    heights += box.height;
  }
  return std::hypot(high.x - low.x, high.y - low.y) * double(track.boxes.size()) / heights;
}

}  // namespace

struct PersonTracker::State {
  TrackerOptions options;
  int64_t next_frame = 0;
  int height = 0, width = 0;
  std::vector<cv::Mat> pyramid;  // of the frame before
  std::vector<LiveTrack> live;
  std::vector<Track> finished;

  void move_tracks(const Image& frame, const std::vector<cv::Mat>& current);
  void associate(const Image& frame, const std::vector<PersonBox>& people);
  void end_tracks();
  void retire(const LiveTrack& track);
};

void PersonTracker::State::move_tracks(const Image& frame, const std::vector<cv::Mat>& current) {
  if (live.empty()) return;
  std::vector<cv::Point2f> from, to, back;
  for (const LiveTrack& track : live) append_body_points(track.box, from);
  std::vector<uint8_t> found, returned;
  std::vector<float> errors;
  cv::calcOpticalFlowPyrLK(pyramid, current, from, to, found, errors, kPatch, kPyramidLevels);
  cv::calcOpticalFlowPyrLK(current, pyramid, to, back, returned, errors, kPatch, kPyramidLevels);
  constexpr size_t kPoints = size_t(kGridColumns) * kGridRows;
  for (size_t index = 0; index < live.size(); ++index) {
    LiveTrack& track = live[index];
    std::vector<float> right, down;
    for (size_t point = index * kPoints; point < (index + 1) * kPoints; ++point) {
      const cv::Point2f miss = back[point] - from[point];
      if (!found[point] || !returned[point] || std::hypot(miss.x, miss.y) > kMaximumReturnPixels) {
        continue;
      }
      right.push_back(to[point].x - from[point].x);
      down.push_back(to[point].y - from[point].y);
    }
    // Behind an obstacle, whose colours differ, the person is taken to walk on.
    cv::Point2f step = track.velocity;
    if (double(right.size()) >= kMinimumReturnedShare * kPoints) {
      const cv::Point2f motion(median(right), median(down));
      const PersonBox moved = shifted(track.box, motion);
      if (likeness(track.colours, clothing_colours(frame, moved)) >= options.minimum_likeness) {
        step = track.taken_step(motion, options.maximum_turn_heights);
      }
    }
    track.path.push_back(track.path.back() + step);
    track.box = shifted(track.box, step);
  }
}

void PersonTracker::State::associate(const Image& frame, const std::vector<PersonBox>& people) {
  std::vector<ClothingColours> colours;
  for (const PersonBox& person : people) colours.push_back(clothing_colours(frame, person));
  std::vector<std::tuple<double, size_t, size_t>> pairs;  // minus fitness, track, person
  for (size_t track = 0; track < live.size(); ++track) {
    for (size_t person = 0; person < people.size(); ++person) {
      const double overlap = intersection_over_union(live[track].box, people[person]);
      const double alike = likeness(live[track].colours, colours[person]);
      if (overlap >= options.minimum_overlap && alike >= options.minimum_likeness) {
        pairs.emplace_back(-overlap * alike, track, person);
      }
    }
  }
  std::sort(pairs.begin(), pairs.end());
  std::vector<bool> track_taken(live.size()), person_taken(people.size());
  for (LiveTrack& track : live) ++track.searched, ++track.missed;
  for (const auto& [fitness, index, person] : pairs) {
    if (track_taken[index] || person_taken[person]) continue;
    track_taken[index] = person_taken[person] = true;
    live[index].see({next_frame, people[person]}, colours[person]);
  }
  for (size_t person = 0; person < people.size(); ++person) {
    if (person_taken[person] || people[person].score < options.minimum_start_score) continue;
    live.push_back(LiveTrack{next_frame,
                             {centre_of(people[person])},
                             {{next_frame, people[person]}},
                             people[person],
                             colours[person]});
  }
}

void PersonTracker::State::end_tracks() {
  const auto ended = [this](const LiveTrack& track) {
    const cv::Point2f centre = centre_of(track.box);
    return centre.x < 0 || centre.y < 0 || centre.x >= float(width) || centre.y >= float(height) ||
           track.missed > options.maximum_missed_detections;
  };
  for (const LiveTrack& track : live) {
    if (ended(track)) retire(track);
  }
  live.erase(std::remove_if(live.begin(), live.end(), ended), live.end());
}

void PersonTracker::State::retire(const LiveTrack& track) {
  const auto seen = static_cast<int>(track.sightings.size());
  if (seen < options.minimum_detections) return;
  if (seen < options.minimum_seen_share * track.searched_when_seen) return;
  Track steady = smoothed_track(track, options.smoothing_detections);
  if (steady.mean_score < options.minimum_mean_score) return;
  if (travel_heights(steady) < options.minimum_travel_heights) return;
  finished.push_back(std::move(steady));
}

PersonTracker::PersonTracker(const TrackerOptions& options) : state_(std::make_unique<State>()) {
  state_->options = options;
}

PersonTracker::~PersonTracker() = default;

void PersonTracker::add_frame(const Image& frame,
                              const std::optional<std::vector<PersonBox>>& people) {
  State& state = *state_;
  if (state.next_frame == 0) state.height = frame.height, state.width = frame.width;
  MUSTER_REQUIRE(frame.height, ==, state.height);
  MUSTER_REQUIRE(frame.width, ==, state.width);
  std::vector<cv::Mat> pyramid = pyramid_of(frame);
  state.move_tracks(frame, pyramid);
  if (people) state.associate(frame, *people);
  state.end_tracks();
  state.pyramid = std::move(pyramid);
  ++state.next_frame;
}

std::vector<Track> PersonTracker::finish() {
  for (const LiveTrack& track : state_->live) state_->retire(track);
  state_->live.clear();
  std::vector<Track> tracks = std::move(state_->finished);
  std::stable_sort(tracks.begin(), tracks.end(), [](const Track& left, const Track& right) {
    return std::make_pair(left.first_frame, left.boxes.front().x) <
           std::make_pair(right.first_frame, right.boxes.front().x);
  });
  return tracks;
}

}  // namespace muster::datastore
