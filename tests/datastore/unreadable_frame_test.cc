// An ingest of a dataset in which something cannot be read.
#include <gtest/gtest.h>

#include "tests/datastore/small_store.h"

namespace muster::datastore {
namespace {
namespace fs = std::filesystem;
using common::contains;
using common::failure_text;
using common::InputError;
using common::names_in;
using common::RecordingProgress;
using common::TestDirectory;

using Names = std::vector<std::string>;

TEST(UnreadableFrameTest, FailsAndIsNamed) {
  const TestDirectory directory;
  FakeDataset dataset = two_camera_dataset(2, 3);
  dataset.break_frame(2, 1);
  const std::string text =
      failure_text<InputError>([&] { build_store(dataset, directory / "store"); });
  EXPECT_TRUE(contains(text, dataset.tracklets()[2].name)) << text;
  EXPECT_FALSE(fs::exists(directory / "store"));
}

TEST(UnreadableFrameTest, AnEmptyDirectoryThatWasThereBeforeStays) {
  const TestDirectory directory;
  fs::create_directory(directory / "store");
  FakeDataset dataset = two_camera_dataset(2, 3);
  dataset.break_frame(2, 1);
  EXPECT_THROW(build_store(dataset, directory / "store"), InputError);
  EXPECT_EQ(names_in(directory / "store"), Names{});
}

TEST(UnreadableFrameTest, FailsTheSameInSeveralThreads) {
  const TestDirectory directory;
  FakeDataset dataset = two_camera_dataset(4, 3);
  dataset.break_frame(2, 1);
  dataset.break_frame(5, 0);
  IngestOptions options = small_options();
  options.jobs = 4;
  const std::string text =
      failure_text<InputError>([&] { build_store(dataset, directory / "store", options); });
  EXPECT_TRUE(contains(text, dataset.tracklets()[2].name)) << text;
}

TEST(UnreadableFrameTest, LeavesOutThatTrackletWhenAsked) {
  const TestDirectory directory;
  FakeDataset dataset = two_camera_dataset(2, 3);
  dataset.break_frame(1, 2);
  IngestOptions options = small_options();
  options.on_error = OnError::kSkip;
  const Manifest manifest = build_store(dataset, directory / "store", options).manifest;
  ASSERT_EQ(manifest.left_out.size(), 1u);
  EXPECT_EQ(manifest.frames, 9);
  const TrackletStore store(directory / "store");
  ASSERT_EQ(store.tracklets().size(), 3u);
  const size_t kept[] = {0, 2, 3};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(store.tracklets()[i].identity, dataset.tracklets()[kept[i]].identity);
    EXPECT_EQ(store.read_image(store.tracklets()[i], 1).rgb,
              dataset.read_frame(kept[i], 1).image.rgb);
  }
}

TEST(UnreadableFrameTest, TellsWhichTrackletWasLeftOut) {
  const TestDirectory directory;
  FakeDataset dataset = two_camera_dataset(2, 3);
  dataset.break_frame(1, 2);
  IngestOptions options = small_options();
  options.on_error = OnError::kSkip;
  RecordingProgress progress;
  ingest(dataset, directory / "store", options, progress);
  ASSERT_FALSE(progress.notes.empty());
  EXPECT_TRUE(contains(progress.notes[0], dataset.tracklets()[1].name)) << progress.notes[0];
}

TEST(UnreadableFrameTest, ATrackletWithoutTheJointsOfTheOthersIsLeftOutWhenAsked) {
  const TestDirectory directory;
  FakeDataset dataset = two_camera_dataset(2, 2);
  dataset.give_joints({1});
  IngestOptions options = small_options();
  options.on_error = OnError::kSkip;
  const Manifest manifest = build_store(dataset, directory / "store", options).manifest;
  EXPECT_EQ(manifest.tracklets, 3);
  ASSERT_EQ(manifest.left_out.size(), 1u);
  EXPECT_TRUE(contains(manifest.left_out[0].reason, "joints")) << manifest.left_out[0].reason;
}

TEST(UnreadableFrameTest, NothingReadableIsAnInputError) {
  const TestDirectory directory;
  FakeDataset dataset;
  dataset.add(1, 1, 1);
  dataset.break_frame(0, 0);
  IngestOptions options = small_options();
  options.on_error = OnError::kSkip;
  EXPECT_THROW(build_store(dataset, directory / "store", options), InputError);
}

}  // namespace
}  // namespace muster::datastore
