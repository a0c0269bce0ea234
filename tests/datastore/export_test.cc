// Round trips: what is exported from a store gives the same store again.
#include "datastore/export.h"

#include <gtest/gtest.h>

#include "datastore/synthetic/synthetic_world.h"
#include "tests/common/faults.h"
#include "tests/datastore/dataset_files.h"

namespace muster::datastore {
namespace {
namespace fs = std::filesystem;
using common::contains;
using common::failure_text;
using common::FileSizeLimit;
using common::InputError;
using common::SystemError;
using common::TestDirectory;

ExportResult exported(const fs::path& store, const fs::path& output) {
  common::SilentProgress progress;
  return export_store(store, output, "", progress);
}

std::unique_ptr<DatasetReader> opened_as(const std::string& layout, const fs::path& root) {
  for (const LayoutEntry& entry : layout_catalog()) {
    if (entry.name == layout) return opened(entry.open, root);
  }
  throw std::runtime_error("no such layout");
}

void expect_same_facts(const DatasetFacts& left, const DatasetFacts& right) {
  EXPECT_EQ(left.layout, right.layout);
  EXPECT_EQ(left.synthetic, right.synthetic);
  EXPECT_EQ(left.origin, right.origin);
  EXPECT_EQ(left.test_identities, right.test_identities);
  EXPECT_EQ(left.split_identities, right.split_identities);
}

void expect_same_tracklets(const TrackletStore& left, const TrackletStore& right) {
  ASSERT_EQ(left.tracklets().size(), right.tracklets().size());
  for (size_t i = 0; i < left.tracklets().size(); ++i) {
    const StoredTracklet &a = left.tracklets()[i], &b = right.tracklets()[i];
    EXPECT_EQ(a.identity, b.identity) << i;
    EXPECT_EQ(a.camera, b.camera) << i;
    EXPECT_EQ(a.role, b.role) << i;
    ASSERT_EQ(a.length, b.length) << i;
    for (int64_t frame = 0; frame < a.length; ++frame) {
      ASSERT_EQ(left.read_frame_bytes(a, frame), right.read_frame_bytes(b, frame)) << i;
    }
  }
}

void expect_same_flow_and_joints(const TrackletStore& left, const TrackletStore& right) {
  ASSERT_EQ(left.manifest().geometry.has_joints, right.manifest().geometry.has_joints);
  for (size_t i = 0; i < left.tracklets().size(); ++i) {
    const StoredTracklet &a = left.tracklets()[i], &b = right.tracklets()[i];
    EXPECT_EQ(a.sequence, b.sequence) << i;
    for (int64_t frame = 0; frame < a.length; ++frame) {
      ASSERT_EQ(left.read_flow(a, frame), right.read_flow(b, frame)) << i;
      if (!left.manifest().geometry.has_joints) continue;
      const std::vector<Joint> x = left.read_joints(a, frame), y = right.read_joints(b, frame);
      ASSERT_EQ(x.size(), y.size());
      for (size_t joint = 0; joint < x.size(); ++joint) {
        ASSERT_EQ(x[joint].x, y[joint].x);
        ASSERT_EQ(x[joint].y, y[joint].y);
        ASSERT_EQ(x[joint].confidence, y[joint].confidence);
      }
    }
  }
}

// A rendered world as a store, and that store exported and stored again.
class WorldRoundTripTest : public testing::TestWithParam<std::string> {
 protected:
  void go_round(FrameEncoding encoding) {
    SyntheticWorldOptions world;
    world.world = GetParam();
    world.output = directory_ / "world";
    world.identities = 5;
    world.frames = GetParam() == "prid2011" ? 45 : 3;  // 27 for splits
    common::SilentProgress progress;
    render_synthetic_world(world, progress);
    IngestOptions options = small_options(encoding);
    options.frame_height = GetParam() == "mars" ? 256 : 128;
    options.frame_width = options.frame_height / 2;
    build_store(*opened_as(GetParam(), world.output), directory_ / "store", options);
    const ExportResult result = exported(directory_ / "store", directory_ / "out/");
    EXPECT_EQ(result.layout, GetParam());
    build_store(*opened_as(GetParam(), directory_ / "out"), directory_ / "again", options);
    EXPECT_EQ(common::names_in(directory_.path()),
              (std::vector<std::string>{"again", "out", "store", "world"}));
  }
  TestDirectory directory_;
};

TEST_P(WorldRoundTripTest, RawStoresComeBackWholeWithFlowJointsRolesAndSplits) {
  go_round(FrameEncoding::kRaw);
  const TrackletStore store(directory_ / "store"), again(directory_ / "again");
  expect_same_facts(store.manifest().facts, again.manifest().facts);
  expect_same_tracklets(store, again);
  expect_same_flow_and_joints(store, again);
  EXPECT_TRUE(store.manifest().geometry.has_joints);
  EXPECT_TRUE(again.manifest().facts.synthetic);
  const bool splits = GetParam() == "prid2011" || GetParam() == "ilids-vid";
  EXPECT_EQ(again.manifest().facts.test_identities.size(), splits ? 10u : 0u);
}

TEST_P(WorldRoundTripTest, JpegStoresKeepTheirBytes) {
  go_round(FrameEncoding::kJpeg);
  const TrackletStore store(directory_ / "store"), again(directory_ / "again");
  expect_same_tracklets(store, again);
}

INSTANTIATE_TEST_SUITE_P(Layouts, WorldRoundTripTest,
                         testing::Values("mars", "prid2011", "ilids-vid", "sdu-vid"),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           name.erase(std::remove(name.begin(), name.end(), '-'), name.end());
                           return name;
                         });

// Filmed, of that layout, with the dataset's own halves.
FakeDataset filmed(const std::string& layout, std::vector<std::vector<int32_t>> test = {},
                   std::vector<int32_t> all = {}, int height = 24, int width = 16) {
  FakeDataset dataset(height, width);
  dataset.call_layout(layout);
  dataset.call_synthetic(false);
  dataset.split(std::move(test), std::move(all));
  return dataset;
}

class ExportTest : public testing::Test {
 protected:
  // Stores the dataset, exports it, and stores it again as `layout`.
  void go_round(const DatasetReader& dataset, const std::string& layout) {
    build_store(dataset, directory_ / "store");
    exported(directory_ / "store", directory_ / "out");
    build_store(*opened_as(layout, directory_ / "out"), directory_ / "again");
    const TrackletStore store(directory_ / "store"), again(directory_ / "again");
    expect_same_tracklets(store, again);
    EXPECT_EQ(store.manifest().facts.test_identities, again.manifest().facts.test_identities);
    EXPECT_EQ(store.manifest().facts.split_identities, again.manifest().facts.split_identities);
    EXPECT_FALSE(again.manifest().facts.synthetic);
  }
  TestDirectory directory_;
};

TEST_F(ExportTest, VideosBecomeSduFoldersWithAllCamerasAndSequences) {
  for (const char* layout : {"video", "mot"}) {
    const TestDirectory directory;
    FakeDataset dataset = filmed(layout);
    dataset.add(1, 1, 3, 0);
    dataset.add(1, 2, 2, 0);
    dataset.add(1, 2, 4, 7);
    dataset.add(2, 12, 1, 0);
    dataset.add(1234567, 1, 2, 0);
    build_store(dataset, directory / "store");
    EXPECT_EQ(exported(directory / "store", directory / "out").layout, "sdu-vid");
    build_store(*opened_as("sdu-vid", directory / "out"), directory / "again");
    expect_same_tracklets(TrackletStore(directory / "store"), TrackletStore(directory / "again"));
  }
}

TEST_F(ExportTest, PridKeepsStrangersSecondSequencesAndPersonsOfOneCamera) {
  FakeDataset dataset = filmed("prid2011");
  dataset.add(1, 1, 3, 0);
  dataset.add(1, 1, 2, 1);
  dataset.add(1, 2, 2, 0);
  dataset.add(200, 1, 1, 0);
  dataset.add(201, 1, 1, 0);
  dataset.add(10201, 2, 2, 0);
  go_round(dataset, "prid2011");
  EXPECT_TRUE(fs::exists(directory_ / "out/multi_shot/cam_b/person_0201/0001.png"));
}

TEST_F(ExportTest, IlidsSplitsCountThroughFoldersInTheOrderOfTheirNames) {
  const std::vector<std::vector<int32_t>> tests(10, {101, 1000});
  FakeDataset dataset = filmed("ilids-vid", tests, {3, 101, 102, 1000});
  for (const int32_t identity : {3, 101, 102, 1000}) {
    dataset.add(identity, 1, 2);
    if (identity != 3) dataset.add(identity, 2, 1);
  }
  go_round(dataset, "ilids-vid");
  EXPECT_TRUE(
      fs::exists(directory_ / "out/train-test people splits/train_test_splits_ilidsvid.mat"));
}

TEST_F(ExportTest, IlidsSplitsThatAreNoHalvesAreWrittenByName) {
  std::vector<std::vector<int32_t>> tests(10, {1});
  tests[3] = {1, 2, 3};
  FakeDataset dataset = filmed("ilids-vid", tests, {1, 2, 3, 4});
  for (const int32_t identity : {1, 2, 3, 4}) {
    dataset.add(identity, 1, 2);
    dataset.add(identity, 2, 1);
  }
  go_round(dataset, "ilids-vid");
  EXPECT_TRUE(fs::exists(directory_ / "out/splits.json"));
}

TEST_F(ExportTest, PersonsThatTheStoreLacksAreInNoSplit) {
  const std::vector<std::vector<int32_t>> tests(10, {1, 9});
  FakeDataset dataset = filmed("prid2011", tests, {1, 2, 8, 9});
  for (const int32_t identity : {1, 2}) {
    dataset.add(identity, 1, 2);
    dataset.add(identity, 2, 1);
  }
  build_store(dataset, directory_ / "store");
  exported(directory_ / "store", directory_ / "out");
  const DatasetFacts facts = opened_as("prid2011", directory_ / "out")->facts();
  EXPECT_EQ(facts.split_identities, (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(facts.test_identities[9], (std::vector<int32_t>{1}));
}

TEST_F(ExportTest, ATrackletThatTheLayoutCannotNameIsRefused) {
  FakeDataset dataset = filmed("prid2011");
  dataset.add(1, 3, 1);
  build_store(dataset, directory_ / "store");
  const std::string text =
      failure_text<InputError>([&] { exported(directory_ / "store", directory_ / "out"); });
  EXPECT_TRUE(contains(text, "camera 3")) << text;
}

TEST_F(ExportTest, AnOutputThatHoldsSomethingIsKept) {
  build_store(two_camera_dataset(2, 2), directory_ / "store");
  fs::create_directories(directory_ / "out");
  std::ofstream(directory_ / "out/mine") << "x";
  EXPECT_THROW(exported(directory_ / "store", directory_ / "out/"), InputError);
  EXPECT_EQ(common::names_in(directory_ / "out"), (std::vector<std::string>{"mine"}));
}

TEST_F(ExportTest, APlaceWhereNothingCanBeMadeIsNamedWithTheReason) {
  build_store(two_camera_dataset(2, 2), directory_ / "store");
  std::ofstream(directory_ / "file") << "x";
  const std::string text =
      failure_text<SystemError>([&] { exported(directory_ / "store", directory_ / "file/out"); });
  EXPECT_TRUE(contains(text, (directory_ / "file/out").string())) << text;
  EXPECT_TRUE(contains(text, "Not a directory") || contains(text, "File exists")) << text;
}

TEST_F(ExportTest, ADamagedFrameIsNamedAndNothingIsLeft) {
  build_store(two_camera_dataset(2, 2), directory_ / "store");
  const fs::path shard = directory_ / "store/shard-00000.h5";
  flip_bit(shard, place_of_frame(shard, 3) + 5);
  EXPECT_THROW(exported(directory_ / "store", directory_ / "out"), SystemError);
  EXPECT_EQ(common::names_in(directory_.path()), (std::vector<std::string>{"store"}));
}

TEST_F(ExportTest, RemainsOfAnExportThatDiedAreRemoved) {
  build_store(two_camera_dataset(2, 2), directory_ / "store");
  fs::create_directories(common::temporary_of_dead_process(directory_ / "out") / "multi_shot");
  ASSERT_EQ(common::names_in(directory_.path()).size(), 2u);
  exported(directory_ / "store", directory_ / "out");
  EXPECT_EQ(common::names_in(directory_.path()), (std::vector<std::string>{"out", "store"}));
}

TEST_F(ExportTest, AFullDiskIsNamedByTheFinalPathAndLeavesNothing) {
  build_store(two_camera_dataset(2, 2), directory_ / "store");
  std::string text;
  {
    const FileSizeLimit limit(100);
    text = failure_text<SystemError>([&] { exported(directory_ / "store", directory_ / "out"); });
  }
  EXPECT_TRUE(contains(text, (directory_ / "out/multi_shot/cam_a/person_0001/0001.png").string()))
      << text;
  EXPECT_TRUE(contains(text, "File too large")) << text;
  EXPECT_EQ(common::names_in(directory_.path()), (std::vector<std::string>{"store"}));
}

TEST_F(ExportTest, ATableThatCannotBeWrittenWholeIsNamedToo) {
  const std::vector<std::vector<int32_t>> tests(10, {1, 2});
  FakeDataset dataset = filmed("ilids-vid", tests, {1, 2, 3, 4}, 1, 1);
  for (const int32_t identity : {1, 2, 3, 4}) dataset.add(identity, 1, 1);
  IngestOptions options = small_options();
  options.frame_height = options.frame_width = 1;
  options.flow_height = options.flow_width = 0;
  build_store(dataset, directory_ / "store", options);
  std::string text;
  {
    const FileSizeLimit limit(200);
    text = failure_text<SystemError>([&] { exported(directory_ / "store", directory_ / "out"); });
  }
  EXPECT_TRUE(contains(text, (directory_ / "out/train-test people splits").string())) << text;
  EXPECT_EQ(common::names_in(directory_.path()), (std::vector<std::string>{"store"}));
}

}  // namespace
}  // namespace muster::datastore
