#include "datastore/tracklet_store.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/datastore/three_shard_store.h"

namespace muster::datastore {
namespace {
namespace fs = std::filesystem;
using common::contains;
using common::failure_text;
using common::InputError;
using common::TestDirectory;

using TrackletStoreTest = ThreeShardStoreTest;

TEST_F(TrackletStoreTest, ListsTheTrackletsOfAllShardsInOrder) {
  const TrackletStore store(path());
  ASSERT_EQ(store.manifest().shards.size(), 3u);
  ASSERT_EQ(store.tracklets().size(), dataset_.tracklets().size());
  for (size_t i = 0; i < store.tracklets().size(); ++i) {
    EXPECT_EQ(store.tracklets()[i].identity, dataset_.tracklets()[i].identity);
    EXPECT_EQ(store.tracklets()[i].camera, dataset_.tracklets()[i].camera);
    EXPECT_EQ(store.tracklets()[i].length, 4);
    EXPECT_EQ(store.tracklets()[i].shard, static_cast<int32_t>(i / 2));
  }
}

TEST_F(TrackletStoreTest, ReadsEveryFrameOfEveryTracklet) {
  const TrackletStore store(path());
  for (size_t i = 0; i < store.tracklets().size(); ++i) {
    for (int64_t frame = 0; frame < 4; ++frame) {
      EXPECT_EQ(store.read_image(store.tracklets()[i], frame).rgb,
                dataset_.read_frame(i, frame).image.rgb)
          << i << " " << frame;
    }
  }
}

TEST_F(TrackletStoreTest, ReadsJointsOfTheRightFrame) {
  const TrackletStore store(path());
  const std::vector<Joint> joints = store.read_joints(store.tracklets()[5], 3);
  EXPECT_EQ(joints[9].x, dataset_.joint(5, 3, 9).x);
  EXPECT_EQ(joints[9].y, dataset_.joint(5, 3, 9).y);
}

TEST_F(TrackletStoreTest, SeveralThreadsReadTheSame) {
  const TrackletStore store(path());
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (size_t number = 0; number < wrong.size(); ++number) {
    threads.emplace_back([&, number] {
      for (int i = 0; i < 100; ++i) {
        const size_t row = (static_cast<size_t>(i) + number) % 6;
        const Image image = store.read_image(store.tracklets()[row], i % 4);
        if (image.rgb != dataset_.read_frame(row, i % 4).image.rgb) ++wrong[number];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

TEST_F(TrackletStoreTest, AFrameBeyondTheTrackletBreaksARequirement) {
  const TrackletStore store(path());
  EXPECT_THROW(store.read_image(store.tracklets()[0], 4), common::RequirementError);
}

TEST_F(TrackletStoreTest, AFrameBeforeTheTrackletBreaksARequirement) {
  const TrackletStore store(path());
  EXPECT_THROW(store.read_image(store.tracklets()[1], -1), common::RequirementError);
}

TEST_F(TrackletStoreTest, AMissingShardIsNamedAtOpening) {
  fs::remove(shard(1));
  const std::string text = failure_text<InputError>([&] { TrackletStore store(path()); });
  EXPECT_TRUE(contains(text, "shard-00001.h5")) << text;
}

TEST_F(TrackletStoreTest, SwappedShardsAreNamedAtOpening) {
  fs::rename(shard(0), path() / "aside");
  fs::rename(shard(1), shard(0));
  fs::rename(path() / "aside", shard(1));
  const std::string text = failure_text<common::Error>([&] { TrackletStore store(path()); });
  EXPECT_TRUE(contains(text, "shard-00000.h5")) << text;
}

TEST_F(TrackletStoreTest, ATruncatedShardIsNamedAtOpening) {
  fs::resize_file(shard(2), fs::file_size(shard(2)) / 2);
  const std::string text = failure_text<InputError>([&] { TrackletStore store(path()); });
  EXPECT_TRUE(contains(text, "shard-00002.h5")) << text;
}

// Who reads raw frames takes as many bytes as their size asks for.
TEST_F(TrackletStoreTest, AManifestThatTellsOfAnotherEncodingIsRefused) {
  Manifest manifest = read_manifest(path());
  manifest.geometry.encoding = FrameEncoding::kJpeg;
  write_manifest(path(), manifest);
  const std::string text = failure_text<InputError>([&] { TrackletStore store(path()); });
  EXPECT_TRUE(contains(text, "shard-00000.h5")) << text;
  EXPECT_TRUE(contains(text, "other frames than the manifest")) << text;
}

}  // namespace
}  // namespace muster::datastore
