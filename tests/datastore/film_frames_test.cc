#include "datastore/film_frames.h"

#include "common/error.h"
#include "tests/datastore/small_films.h"

namespace muster::datastore {
namespace {
namespace fs = std::filesystem;
using common::contains;
using common::failure_text;
using common::InputError;
using common::TestDirectory;

FilmPlace video_at(const fs::path& path) {
  FilmPlace place;
  place.video = path;
  return place;
}

int read_all(FilmFrames& frames) {
  int count = 0;
  while (frames.next()) ++count;
  return count;
}

class FilmFramesTest : public testing::Test {
 protected:
  TestDirectory directory_;
};

TEST_F(FilmFramesTest, AWholeVideoGivesItsFramesInOrder) {
  const fs::path video = directory_ / "film.avi";
  write_film(video, 12, 1);
  const auto frames = open_film_frames(video_at(video));
  EXPECT_EQ(frames->announced_frames(), 12);
  for (int index = 0; index < 12; ++index) {
    const auto frame = frames->next();
    ASSERT_TRUE(frame) << index;
    EXPECT_EQ(frame->fault, "");
    // Inside the person's left edge it is red, two pixels outside it is dark.
    const cv::Rect box = place_of(0, index);
    const uint8_t* inside = &frame->image.rgb[size_t((box.y + 8) * kFilmWidth + box.x + 3) * 3];
    const uint8_t* outside = &frame->image.rgb[size_t((box.y + 8) * kFilmWidth + box.x - 4) * 3];
    EXPECT_NEAR(inside[0], 220, 40) << index;
    EXPECT_NEAR(outside[0], 20, 40) << index;
  }
  EXPECT_FALSE(frames->next());
  EXPECT_EQ(frames->frames_read(), 12);
  EXPECT_EQ(frames->early_end(), "");
  EXPECT_EQ(frames->remark(), "");
}

TEST_F(FilmFramesTest, AVideoThatWasCutOffEndsEarly) {
  const fs::path video = directory_ / "film.avi";
  write_film(video, 40, 1);
  fs::resize_file(video, fs::file_size(video) / 2);
  const auto frames = open_film_frames(video_at(video));
  const int count = read_all(*frames);
  EXPECT_LT(count, 30);
  EXPECT_GT(count, 10);
  EXPECT_EQ(frames->early_end(), "ends early: decoded " + std::to_string(count) + " of 40 frames");
}

// Ten pictures in the first second, one in each of the next nine.
std::vector<int> uneven_times() {
  std::vector<int> times;
  for (int i = 0; i < 10; ++i) times.push_back(100 * i);
  for (int i = 1; i <= 9; ++i) times.push_back(1000 * i);
  return times;
}

TEST_F(FilmFramesTest, AVariableFrameRateIsWholeThoughItsHeaderCountsOtherwise) {
  const fs::path video = directory_ / "phone.mkv";
  write_matroska(video, uneven_times(), 9500, 1);
  const auto frames = open_film_frames(video_at(video));
  EXPECT_GT(frames->announced_frames(), 22);  // estimated from the time and the first frames
  EXPECT_EQ(read_all(*frames), 19);
  EXPECT_EQ(frames->early_end(), "");
  EXPECT_TRUE(contains(frames->remark(), "decoded 19 of")) << frames->remark();
}

TEST_F(FilmFramesTest, AVariableFrameRateThatWasCutOffEndsEarly) {
  const fs::path video = directory_ / "phone.mkv";
  write_matroska(video, uneven_times(), 9500, 1);
  fs::resize_file(video, fs::file_size(video) * 7 / 10);
  const auto frames = open_film_frames(video_at(video));
  EXPECT_LT(read_all(*frames), 16);
  EXPECT_TRUE(contains(frames->early_end(), "ends early")) << frames->early_end();
}

TEST_F(FilmFramesTest, PicturesComeByNumberWithTheirHoles) {
  FilmPlace place;
  place.pictures = {directory_ / "000001.png", {}, directory_ / "000003.png"};
  place.promised_frames = 3;
  write_picture(place.pictures[0], noise(8, 6, 1));
  write_text(place.pictures[2], "no picture");
  const auto frames = open_film_frames(place);
  EXPECT_EQ(frames->announced_frames(), 3);
  EXPECT_EQ(frames->next()->image.rgb, noise(8, 6, 1).rgb);
  const auto missing = frames->next();
  EXPECT_EQ(missing->fault_object, directory_.path().string() + " frame 2");
  EXPECT_EQ(missing->fault, "has no picture");
  const auto damaged = frames->next();
  EXPECT_EQ(damaged->fault_object, place.pictures[2].string());
  EXPECT_TRUE(contains(damaged->fault, "is no JPEG, PNG or BMP picture")) << damaged->fault;
  EXPECT_FALSE(frames->next());
  EXPECT_EQ(frames->early_end(), "");
}

TEST_F(FilmFramesTest, FewerPicturesThanPromisedEndEarly) {
  FilmPlace place;
  place.pictures = {directory_ / "000001.png"};
  place.promised_frames = 3;
  write_picture(place.pictures[0], noise(8, 6, 1));
  const auto frames = open_film_frames(place);
  EXPECT_EQ(read_all(*frames), 1);
  EXPECT_EQ(frames->early_end(), "ends early: has 1 of 3 frames");
}

TEST(VideoName, IsToldByItsEnding) {
  EXPECT_TRUE(is_video_name("hall.avi"));
  EXPECT_TRUE(is_video_name("HALL.MP4"));
  EXPECT_FALSE(is_video_name("hall.boxes.csv"));
  EXPECT_FALSE(is_video_name("._hall.avi"));
  EXPECT_FALSE(is_video_name("avi"));
}

}  // namespace
}  // namespace muster::datastore
