#include "datastore/person_crop.h"

#include "common/error.h"
#include "datastore/crop_spool.h"
#include "tests/datastore/small_films.h"

namespace muster::datastore {
namespace {

PersonBox box_at(const cv::Rect& place) {
  return {float(place.x), float(place.y), float(place.width), float(place.height)};
}

TEST(BoxCrop, OfWholePixelsAndTheStoredSizeIsThePartOfThePicture) {
  const Image frame = noise(60, 50, 3);
  for (const cv::Rect place : {cv::Rect(7, 11, 16, 32), cv::Rect(0, 0, 16, 32),
                               cv::Rect(34, 28, 16, 32), cv::Rect(8, 12, 15, 31)}) {
    EXPECT_EQ(box_crop(frame, box_at(place), place.height, place.width).rgb,
              pixels_in(frame, place))
        << place;
  }
}

TEST(BoxCrop, BeyondThePictureItsEdgeGoesOn) {
  const Image frame = noise(60, 50, 4);
  for (const cv::Rect place : {cv::Rect(-5, 11, 16, 32), cv::Rect(40, 40, 16, 32)}) {
    EXPECT_EQ(box_crop(frame, box_at(place), 32, 16).rgb, pixels_in(frame, place)) << place;
  }
}

TEST(BoxCrop, OfTwiceTheStoredSizeIsTheMeanOfFourPixels) {
  const Image frame = noise(80, 50, 5);
  const Image crop = box_crop(frame, {6, 9, 32, 64}, 32, 16);
  for (int y = 0; y < 32; ++y) {
    for (int x = 0; x < 16; ++x) {
      double sum = 0;
      for (int dy = 0; dy < 2; ++dy) {
        for (int dx = 0; dx < 2; ++dx) {
          sum += frame.rgb[size_t((9 + 2 * y + dy) * 50 + 6 + 2 * x + dx) * 3];
        }
      }
      ASSERT_NEAR(crop.rgb[size_t(y * 16 + x) * 3], sum / 4, 0.51) << y << " " << x;
    }
  }
}

TEST(BoxCrop, OfHalfAPixelToTheRightIsTheMeanOfNeighbours) {
  const Image frame = noise(60, 50, 6);
  const Image crop = box_crop(frame, {7.5, 11, 16, 32}, 32, 16);
  for (int x = 0; x < 16; ++x) {
    const size_t at = size_t(11 * 50 + 7 + x) * 3;
    EXPECT_NEAR(crop.rgb[size_t(x) * 3], 0.5 * (frame.rgb[at] + frame.rgb[at + 3]), 1.01) << x;
  }
}

TEST(ProblemOfBox, IsToldFromThePicture) {
  EXPECT_STREQ(problem_of_box({0, 0, 50, 60}, 60, 50), "");
  EXPECT_STREQ(problem_of_box({-20, -30, 50, 60}, 60, 50), "");
  EXPECT_STREQ(problem_of_box({49, 59, 20, 20}, 60, 50), "");
  EXPECT_STREQ(problem_of_box({50, 10, 20, 20}, 60, 50), "lies outside the picture");
  EXPECT_STREQ(problem_of_box({10, -20, 20, 20}, 60, 50), "lies outside the picture");
  EXPECT_STREQ(problem_of_box({10, 10, 101, 20}, 60, 50),
               "is more than twice as large as the picture");
  EXPECT_STREQ(problem_of_box({10, 10, 20, 1e9f}, 60, 50),
               "is more than twice as large as the picture");
}

TEST(CropSpool, GivesBackWhatItGotInAnyOrder) {
  CropSpool spool(5, 3);
  for (uint64_t index = 0; index < 20; ++index) {
    EXPECT_EQ(spool.append(noise(5, 3, index)), int64_t(index));
  }
  for (const int64_t index : {19, 0, 7, 7, 18}) {
    const Image picture = spool.read(index);
    EXPECT_EQ(picture.height, 5);
    EXPECT_EQ(picture.width, 3);
    EXPECT_EQ(picture.rgb, noise(5, 3, uint64_t(index)).rgb);
  }
  EXPECT_THROW(spool.read(20), common::RequirementError);
  EXPECT_THROW(spool.append(noise(3, 5, 0)), common::RequirementError);
}

TEST(CropSpool, LeavesNothingInItsDirectoryAndNamesItWhenItIsGone) {
  const common::TestDirectory directory;
  const char* before = std::getenv("TMPDIR");
  const std::string kept = before ? before : "";
  setenv("TMPDIR", directory.path().c_str(), 1);
  {
    CropSpool spool(5, 3);
    spool.append(noise(5, 3, 1));
    EXPECT_TRUE(common::names_in(directory.path()).empty());
  }
  setenv("TMPDIR", (directory / "absent").c_str(), 1);
  const std::string text = common::failure_text<common::SystemError>([] { CropSpool spool(5, 3); });
  EXPECT_TRUE(common::contains(text, (directory / "absent").string())) << text;
  before ? setenv("TMPDIR", kept.c_str(), 1) : unsetenv("TMPDIR");
}

}  // namespace
}  // namespace muster::datastore
