#include "datastore/person_tracker.h"

#include <gtest/gtest.h>

#include <cmath>

#include "common/error.h"
#include "common/keyed_random.h"

namespace muster::datastore {
namespace {

constexpr int kHeight = 160, kWidth = 320;  // of the synthetic video
constexpr int kInterval = 3;                // frames from one search to the next

enum class Clothes { kRed, kBlue };

// A textured rectangle that plays a person.
struct Walker {
  Clothes clothes;
  double x, y, speed;  // centre at frame 0; pixels per frame to the right
  PersonBox box_at(int frame) const {
    return {float(x + speed * frame - 20), float(y - 40), 40, 80, 1.5f};
  }
};

// Smooth noise, fixed to the place (`key` 0) or to the walker.
double texture(uint64_t key, double x, double y) {
  return 30 * std::sin(0.55 * x + double(key)) * std::cos(0.45 * y) +
         20 * std::sin(0.21 * x - 0.33 * y + 2.0 * double(key));
}

Image frame_of(const std::vector<Walker>& walkers, int frame) {
  Image image{kHeight, kWidth, std::vector<uint8_t>(size_t(kHeight) * kWidth * 3)};
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x) {
      double red = 110, green = 130, blue = 110, level = texture(0, x, y);
      for (const Walker& walker : walkers) {
        const PersonBox box = walker.box_at(frame);
        if (x < box.x + 6 || x >= box.x + 34 || y < box.y || y >= box.y + 80) continue;
        const bool is_red = walker.clothes == Clothes::kRed;
        red = is_red ? 190 : 60, green = 60, blue = is_red ? 60 : 190;
        level = texture(is_red ? 1 : 2, x - box.x, y - box.y);
      }
      uint8_t* rgb = &image.rgb[(size_t(y) * kWidth + x) * 3];
      rgb[0] = static_cast<uint8_t>(red + level);
      rgb[1] = static_cast<uint8_t>(green + level);
      rgb[2] = static_cast<uint8_t>(blue + level);
    }
  }
  return image;
}

// Detections that are up to `error_pixels` off; the first walker is not found from `hidden_from`
// on.
std::vector<Track> tracked(const std::vector<Walker>& walkers, int frames, double error_pixels,
                           int hidden_from = 1 << 30) {
  PersonTracker tracker;
  common::KeyedRandom random(7);
  for (int frame = 0; frame < frames; ++frame) {
    std::optional<std::vector<PersonBox>> people;
    if (frame % kInterval == 0) {
      people.emplace();
      for (size_t index = 0; index < walkers.size(); ++index) {
        PersonBox box = walkers[index].box_at(frame);
        box.x += float(random.uniform(-error_pixels, error_pixels));
        box.y += float(random.uniform(-error_pixels, error_pixels));
        if (index > 0 || frame < hidden_from) people->push_back(box);
      }
    }
    tracker.add_frame(frame_of(walkers, frame), people);
  }
  return tracker.finish();
}

double centre_x(const PersonBox& box) { return box.x + 0.5 * box.width; }

TEST(PersonTracker, AWalkerKeepsOneTrackThatIsSteadierThanItsDetections) {
  const Walker walker{Clothes::kRed, 40, 80, 4};
  const std::vector<Track> tracks = tracked({walker}, 61, 6);
  ASSERT_EQ(tracks.size(), 1u);
  EXPECT_EQ(tracks[0].first_frame, 0);
  EXPECT_NEAR(tracks[0].mean_score, 1.5, 1e-6);
  ASSERT_EQ(tracks[0].boxes.size(), 61u);
  for (int frame = 0; frame < 61; ++frame) {
    EXPECT_NEAR(centre_x(tracks[0].boxes[frame]), walker.x + 4 * frame, 4.5) << frame;
    if (frame == 0) continue;
    const double step = centre_x(tracks[0].boxes[frame]) - centre_x(tracks[0].boxes[frame - 1]);
    EXPECT_NEAR(step, 4, 1.2) << frame;
  }
}

TEST(PersonTracker, TwoWhoCrossKeepTheirTracks) {
  const Walker right{Clothes::kRed, 60, 80, 4}, left{Clothes::kBlue, 260, 84, -4};
  const std::vector<Track> tracks = tracked({right, left}, 49, 2);
  ASSERT_EQ(tracks.size(), 2u);
  for (const Track& track : tracks) ASSERT_EQ(track.boxes.size(), 49u);
  EXPECT_NEAR(centre_x(tracks[0].boxes.front()), 60, 4);
  EXPECT_NEAR(centre_x(tracks[0].boxes.back()), 60 + 4 * 48, 6);
  EXPECT_NEAR(centre_x(tracks[1].boxes.front()), 260, 4);
  EXPECT_NEAR(centre_x(tracks[1].boxes.back()), 260 - 4 * 48, 6);
}

TEST(PersonTracker, ATrackEndsWhereItWasLastSeen) {
  const std::vector<Track> tracks = tracked({{Clothes::kRed, 40, 80, 3}}, 70, 0, 31);
  ASSERT_EQ(tracks.size(), 1u);
  EXPECT_EQ(tracks[0].boxes.size(), 31u);  // frames 0 to 30
}

TEST(PersonTracker, WhatNeverMovesIsScenery) {
  EXPECT_TRUE(tracked({{Clothes::kRed, 100, 80, 0}}, 60, 2).empty());
}

TEST(PersonTracker, AFewSightingsAreNoTrack) {
  EXPECT_TRUE(tracked({{Clothes::kRed, 40, 80, 4}}, 60, 0, 10).empty());
}

TEST(PersonTracker, TheSameFramesGiveTheSameTracks) {
  const std::vector<Walker> walkers = {{Clothes::kRed, 60, 80, 4}, {Clothes::kBlue, 260, 84, -4}};
  const std::vector<Track> first = tracked(walkers, 40, 3), second = tracked(walkers, 40, 3);
  ASSERT_EQ(first.size(), second.size());
  for (size_t track = 0; track < first.size(); ++track) {
    ASSERT_EQ(first[track].boxes.size(), second[track].boxes.size());
    for (size_t frame = 0; frame < first[track].boxes.size(); ++frame) {
      EXPECT_EQ(first[track].boxes[frame].x, second[track].boxes[frame].x);
      EXPECT_EQ(first[track].boxes[frame].height, second[track].boxes[frame].height);
    }
  }
}

TEST(PersonTracker, FramesOfAnotherSizeAreRefused) {
  PersonTracker tracker;
  tracker.add_frame(frame_of({}, 0), std::nullopt);
  EXPECT_THROW(tracker.add_frame(Image{2, 2, std::vector<uint8_t>(12)}, std::nullopt),
               common::RequirementError);
}

TEST(IntersectionOverUnion, OfHalvesIsAThird) {
  EXPECT_DOUBLE_EQ(intersection_over_union({0, 0, 2, 2, 0}, {1, 0, 2, 2, 0}), 1.0 / 3);
  EXPECT_DOUBLE_EQ(intersection_over_union({0, 0, 2, 2, 0}, {2, 0, 2, 2, 0}), 0);
}

}  // namespace
}  // namespace muster::datastore
