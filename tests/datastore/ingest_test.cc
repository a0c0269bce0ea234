#include "datastore/ingest.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "datastore/optical_flow.h"
#include "tests/datastore/three_shard_store.h"

namespace muster::datastore {
namespace {
using common::contains;
using common::failure_text;
using common::InputError;
using common::names_in;
using common::TestDirectory;

using Names = std::vector<std::string>;

TEST(IngestTest, BuildsAStoreOfTheWholeDataset) {
  const TestDirectory directory;
  const FakeDataset dataset = two_camera_dataset(3, 4);
  const IngestResult result = build_store(dataset, directory / "store");
  EXPECT_EQ(result.outcome, IngestOutcome::kBuilt);
  EXPECT_EQ(result.manifest.tracklets, 6);
  EXPECT_EQ(result.manifest.frames, 24);
  EXPECT_EQ(result.manifest.identities, 3);
  EXPECT_EQ(result.manifest.cameras, 2);
  EXPECT_TRUE(result.manifest.left_out.empty());
  EXPECT_TRUE(verify_store(directory / "store", VerifyDepth::kSha256).empty());
}

TEST(IngestTest, KeepsTheFactsOfTheDataset) {
  const TestDirectory directory;
  build_store(two_camera_dataset(1, 1), directory / "store");
  const DatasetFacts facts = read_manifest(directory / "store").facts;
  EXPECT_EQ(facts.layout, "prid2011");
  EXPECT_TRUE(facts.synthetic);
  EXPECT_EQ(facts.origin, "waves for a test");
}

TEST(IngestTest, LeavesOnlyShardsAndManifest) {
  const TestDirectory directory;
  build_store(two_camera_dataset(2, 4), directory / "store",
              eight_frames_a_shard(FrameEncoding::kJpeg));
  EXPECT_EQ(names_in(directory / "store"),
            (Names{"manifest.json", "shard-00000.h5", "shard-00001.h5"}));
}

TEST(IngestTest, NeverDividesATracklet) {
  const TestDirectory directory;
  FakeDataset dataset;
  dataset.add(1, 1, 20);
  dataset.add(1, 2, 1);
  dataset.add(2, 1, 20);
  build_store(dataset, directory / "store", eight_frames_a_shard());
  const Manifest manifest = read_manifest(directory / "store");
  ASSERT_EQ(manifest.shards.size(), 3u);
  EXPECT_EQ(manifest.shards[0].frames, 20);
  EXPECT_EQ(manifest.shards[1].frames, 1);
  EXPECT_EQ(manifest.shards[2].frames, 20);
}

TEST(IngestTest, RawFramesOfTheSameSizeAreExactlyThePixels) {
  const TestDirectory directory;
  const FakeDataset dataset = two_camera_dataset(2, 3);
  build_store(dataset, directory / "store");
  const TrackletStore store(directory / "store");
  for (size_t i = 0; i < store.tracklets().size(); ++i) {
    for (int64_t frame = 0; frame < 3; ++frame) {
      EXPECT_EQ(store.read_image(store.tracklets()[i], frame).rgb,
                dataset.read_frame(i, frame).image.rgb);
    }
  }
}

TEST(IngestTest, JpegFramesAreCloseToThePixels) {
  const TestDirectory directory;
  const FakeDataset dataset = two_camera_dataset(2, 3);
  build_store(dataset, directory / "store", small_options(FrameEncoding::kJpeg));
  const TrackletStore store(directory / "store");
  for (size_t i = 0; i < store.tracklets().size(); ++i) {
    const Image stored = store.read_image(store.tracklets()[i], 2);
    const Image source = dataset.read_frame(i, 2).image;
    ASSERT_EQ(stored.rgb.size(), source.rgb.size());
    double sum = 0;
    for (size_t k = 0; k < source.rgb.size(); ++k) {
      sum += std::abs(int{stored.rgb[k]} - int{source.rgb[k]});
    }
    EXPECT_LT(sum / static_cast<double>(source.rgb.size()), 4);
  }
}

TEST(IngestTest, LargerPicturesAreAveragedDown) {
  const TestDirectory directory;
  FakeDataset dataset(72, 48);
  dataset.add(1, 1, 1);
  build_store(dataset, directory / "store");
  const TrackletStore store(directory / "store");
  const Image stored = store.read_image(store.tracklets()[0], 0);
  const Image source = dataset.read_frame(0, 0).image;
  for (int y = 0; y < 24; ++y) {
    for (int x = 0; x < 16; ++x) {
      int sum = 0;
      for (int j = 0; j < 3; ++j) {
        for (int i = 0; i < 3; ++i) {
          sum += source.rgb[(static_cast<size_t>(3 * y + j) * 48 + 3 * x + i) * 3 + 1];
        }
      }
      EXPECT_EQ(stored.rgb[(static_cast<size_t>(y) * 16 + x) * 3 + 1], (sum + 4) / 9);
    }
  }
}

TEST(IngestTest, FlowOfEveryFirstFrameIsZero) {
  const TestDirectory directory;
  build_store(two_camera_dataset(2, 3), directory / "store");
  const TrackletStore store(directory / "store");
  for (const StoredTracklet& tracklet : store.tracklets()) {
    EXPECT_EQ(store.read_flow(tracklet, 0), std::vector<int8_t>(12 * 8 * 2));
    EXPECT_NE(store.read_flow(tracklet, 1), std::vector<int8_t>(12 * 8 * 2));
  }
}

TEST(IngestTest, FlowIsTheMotionFromThePreviousFrame) {
  const TestDirectory directory;
  const FakeDataset dataset = two_camera_dataset(2, 3);
  build_store(dataset, directory / "store");
  const TrackletStore store(directory / "store");
  EXPECT_EQ(store.read_flow(store.tracklets()[3], 2),
            quantised_flow(
                lucas_kanade_flow(dataset.read_frame(3, 1).image, dataset.read_frame(3, 2).image),
                12, 8));
}

TEST(IngestTest, WithoutFlowTheStoreHasNone) {
  const TestDirectory directory;
  IngestOptions options = small_options();
  options.flow_height = options.flow_width = 0;
  build_store(two_camera_dataset(2, 3), directory / "store", options);
  EXPECT_EQ(read_manifest(directory / "store").geometry.flow_height, 0);
}

TEST(IngestTest, JointsAreScaledWithTheFrame) {
  const TestDirectory directory;
  FakeDataset dataset = two_camera_dataset(2, 3);
  dataset.give_joints();
  IngestOptions options = small_options();
  options.frame_height = 48;  // twice
  options.frame_width = 64;   // four times
  build_store(dataset, directory / "store", options);
  const TrackletStore store(directory / "store");
  const Joint source = dataset.joint(3, 2, 11);
  const Joint stored = store.read_joints(store.tracklets()[3], 2)[11];
  // The centre of a source pixel is the centre of the 2 rows and 4 columns that it becomes.
  EXPECT_EQ(stored.x, 4 * source.x + 1.5f);
  EXPECT_EQ(stored.y, 2 * source.y + 0.5f);
  EXPECT_EQ(stored.confidence, source.confidence);
}

TEST(IngestTest, ATrackletWithoutJointsAmongOthersWithThemIsNamed) {
  const TestDirectory directory;
  FakeDataset dataset = two_camera_dataset(2, 3);
  dataset.give_joints({2});
  const std::string text =
      failure_text<InputError>([&] { build_store(dataset, directory / "store"); });
  EXPECT_TRUE(contains(text, dataset.tracklets()[2].name)) << text;
}

TEST(IngestTest, AnEmptyDatasetIsAnInputError) {
  const TestDirectory directory;
  testing::FLAGS_gtest_death_test_style = "fast";
  EXPECT_EXIT(
      {
        try {
          build_store(FakeDataset(), directory / "store");
        } catch (const InputError&) {
          std::_Exit(0);
        }
        std::_Exit(1);
      },
      testing::ExitedWithCode(0), "");
}

class IngestJobsTest : public testing::TestWithParam<FrameEncoding> {};

TEST_P(IngestJobsTest, TheNumberOfJobsChangesNoByte) {
  const TestDirectory directory;
  FakeDataset dataset = two_camera_dataset(4, 4);
  dataset.give_joints();
  IngestOptions options = eight_frames_a_shard(GetParam());
  build_store(dataset, directory / "one", options);
  options.jobs = 3;
  build_store(dataset, directory / "three", options);
  EXPECT_GT(store_bytes(directory / "one").size(), 3u);
  EXPECT_TRUE(store_bytes(directory / "one") == store_bytes(directory / "three"));
}

INSTANTIATE_TEST_SUITE_P(Encodings, IngestJobsTest,
                         testing::Values(FrameEncoding::kRaw, FrameEncoding::kJpeg), encoding_name);

}  // namespace
}  // namespace muster::datastore
