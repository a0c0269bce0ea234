// What stands in the place already and is not what this ingest would make is refused and stays.
#include <gtest/gtest.h>

#include "tests/datastore/small_store.h"

namespace muster::datastore {
namespace {
using common::contains;
using common::failure_text;
using common::InputError;
using common::names_in;
using common::TestDirectory;

using Names = std::vector<std::string>;

// Every option that decides the bytes.
class OtherOptionsTest : public testing::TestWithParam<void (*)(IngestOptions&)> {};

TEST_P(OtherOptionsTest, AreRefusedAndTheOldStoreStays) {
  const TestDirectory directory;
  const FakeDataset dataset = two_camera_dataset(2, 3);
  build_store(dataset, directory / "store");
  const auto before = store_bytes(directory / "store");
  IngestOptions options = small_options();
  GetParam()(options);
  const std::string text =
      failure_text<InputError>([&] { build_store(dataset, directory / "store", options); });
  EXPECT_TRUE(contains(text, (directory / "store").string())) << text;
  EXPECT_TRUE(store_bytes(directory / "store") == before);
}

INSTANTIATE_TEST_SUITE_P(Options, OtherOptionsTest,
                         testing::Values([](IngestOptions& o) { o.frame_height = 32; },
                                         [](IngestOptions& o) { o.frame_width = 20; },
                                         [](IngestOptions& o) {
                                           o.encoding = FrameEncoding::kJpeg;
                                         },
                                         [](IngestOptions& o) { o.flow_height = 6; },
                                         [](IngestOptions& o) { o.flow_width = 6; },
                                         [](IngestOptions& o) { o.flow_height = o.flow_width = 0; },
                                         [](IngestOptions& o) { o.shard_bytes = 1; }));

// Refuses `changed` where a store of two_camera_dataset(2, 3) stands.
void expect_other_data(const FakeDataset& original, const FakeDataset& changed) {
  const TestDirectory directory;
  build_store(original, directory / "store");
  const auto before = store_bytes(directory / "store");
  EXPECT_THROW(build_store(changed, directory / "store"), InputError);
  EXPECT_TRUE(store_bytes(directory / "store") == before);
}

TEST(OtherDataTest, OneTrackletMoreIsRefused) {
  FakeDataset changed = two_camera_dataset(2, 3);
  changed.add(3, 1, 3);
  expect_other_data(two_camera_dataset(2, 3), changed);
}

TEST(OtherDataTest, AnotherSequenceNumberIsRefused) {
  FakeDataset changed = two_camera_dataset(2, 3);
  changed.rename_sequence(1, 9);
  expect_other_data(two_camera_dataset(2, 3), changed);
}

TEST(OtherDataTest, AnotherSourceByteIsRefused) {
  const TestDirectory sources;
  std::ofstream(sources / "a.png") << "before";
  FakeDataset dataset = two_camera_dataset(2, 3);
  dataset.come_from({sources / "a.png"});
  const TestDirectory directory;
  build_store(dataset, directory / "store");
  std::ofstream(sources / "a.png") << "behind";
  EXPECT_THROW(build_store(dataset, directory / "store"), InputError);
}

TEST(ForeignDirectoryTest, WithFilesOfOthersIsRefusedAndStays) {
  const TestDirectory directory;
  std::ofstream(directory / "thesis.tex") << "years of work";
  const std::string text =
      failure_text<InputError>([&] { build_store(two_camera_dataset(1, 1), directory.path()); });
  EXPECT_TRUE(contains(text, directory.path().string())) << text;
  EXPECT_TRUE(contains(text, "thesis.tex")) << text;
  EXPECT_EQ(names_in(directory.path()), Names{"thesis.tex"});
  EXPECT_EQ(common::read_file(directory / "thesis.tex"), "years of work");
}

TEST(ForeignDirectoryTest, AFileOfThatNameIsRefusedAndStays) {
  const TestDirectory directory;
  std::ofstream(directory / "store") << "a file";
  EXPECT_THROW(build_store(two_camera_dataset(1, 1), directory / "store"), InputError);
  EXPECT_EQ(common::read_file(directory / "store"), "a file");
}

TEST(ForeignDirectoryTest, AnEmptyOneIsUsed) {
  const TestDirectory directory;
  EXPECT_EQ(build_store(two_camera_dataset(1, 1), directory.path()).outcome, IngestOutcome::kBuilt);
}

}  // namespace
}  // namespace muster::datastore
