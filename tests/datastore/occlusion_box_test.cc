#include "datastore/occlusion_box.h"

#include <gtest/gtest.h>

#include <set>

namespace muster::datastore {
namespace {

using Place = std::pair<int32_t, int32_t>;

TEST(OcclusionBoxTest, EveryPlaceInsideTheFrameAndNoOtherIsDrawn) {
  std::vector<int32_t> frames(4000);
  for (size_t i = 0; i < frames.size(); ++i) frames[i] = static_cast<int32_t>(i);
  std::set<Place> places;
  for (const PixelBox& box : occlusion_boxes({3, 1}, 5, frames, 8, 6)) {
    EXPECT_EQ(box.height, 3);
    EXPECT_EQ(box.width, 3);
    places.insert({box.y, box.x});
  }
  std::set<Place> expected;
  for (int32_t y = 0; y <= 5; ++y) {
    for (int32_t x = 0; x <= 3; ++x) expected.insert({y, x});
  }
  EXPECT_EQ(places, expected);
}

std::vector<Place> places_of(uint64_t seed, int32_t tracklet, const std::vector<int32_t>& frames) {
  std::vector<Place> places;
  for (const PixelBox& box : occlusion_boxes({25, seed}, tracklet, frames, 256, 128)) {
    places.push_back({box.y, box.x});
  }
  return places;
}

TEST(OcclusionBoxTest, AFrameKeepsItsBoxInWhateverClipItComes) {
  const std::vector<Place> a = places_of(1, 7, {0, 1, 2, 3, 4}), b = places_of(1, 7, {4, 2, 2});
  EXPECT_EQ(b, (std::vector<Place>{a[4], a[2], a[2]}));
}

TEST(OcclusionBoxTest, SeedTrackletAndFrameAllCount) {
  const std::vector<int32_t> frames = {0, 1, 2, 3, 4, 5};
  const std::vector<Place> places = places_of(1, 7, frames);
  EXPECT_NE(places, places_of(2, 7, frames));
  EXPECT_NE(places, places_of(1, 8, frames));
  EXPECT_GT(std::set<Place>(places.begin(), places.end()).size(), 3u);
}

TEST(OcclusionBoxTest, ASmallerFrameIsCoveredAlongItsShortSide) {
  for (const PixelBox& box : occlusion_boxes({25, 1}, 0, {0, 1, 2}, 40, 20)) {
    EXPECT_EQ(box.x, 0);
    EXPECT_EQ(box.width, 20);
    EXPECT_EQ(box.height, 25);
    EXPECT_LE(box.y + box.height, 40);
  }
}

TEST(OcclusionBoxTest, SizeZeroMeansNone) {
  EXPECT_TRUE(occlusion_boxes({0, 1}, 0, {0, 1}, 40, 20).empty());
}

}  // namespace
}  // namespace muster::datastore
