// An ingest into a place where an earlier one finished, was cut off, or was damaged.
#include <gtest/gtest.h>

#include "datastore/hdf5_handle.h"
#include "tests/common/faults.h"
#include "tests/datastore/three_shard_store.h"

namespace muster::datastore {
namespace {
namespace fs = std::filesystem;
using common::contains;
using common::failure_text;
using common::InputError;
using common::names_in;
using common::temporary_of_dead_process;
using common::TestDirectory;

using Names = std::vector<std::string>;

TEST(IngestAgainTest, AFinishedStoreIsLeftAlone) {
  const TestDirectory directory;
  const FakeDataset dataset = two_camera_dataset(2, 3);
  build_store(dataset, directory / "store");
  const auto before = store_bytes(directory / "store");
  const auto written = fs::last_write_time(directory / "store" / "manifest.json");
  const IngestResult again = build_store(dataset, directory / "store");
  EXPECT_EQ(again.outcome, IngestOutcome::kAlreadyThere);
  EXPECT_EQ(again.manifest.frames, 12);
  EXPECT_TRUE(store_bytes(directory / "store") == before);
  EXPECT_EQ(fs::last_write_time(directory / "store" / "manifest.json"), written);
}

TEST(IngestAgainTest, AnotherNumberOfJobsIsTheSameStore) {
  const TestDirectory directory;
  const FakeDataset dataset = two_camera_dataset(2, 3);
  IngestOptions options = small_options();
  build_store(dataset, directory / "store", options);
  options.jobs = 4;
  EXPECT_EQ(build_store(dataset, directory / "store", options).outcome,
            IngestOutcome::kAlreadyThere);
}

// A store of three shards, cut off: the manifest was never written.
class CutOffIngestTest : public testing::Test {
 protected:
  CutOffIngestTest() : dataset_(two_camera_dataset(3, 4)) {
    build_store(dataset_, store(), eight_frames_a_shard());
    whole_ = store_bytes(store());
    fs::remove(store() / "manifest.json");
  }
  fs::path store() const { return directory_ / "store"; }
  void expect_continued() {
    EXPECT_EQ(build_store(dataset_, store(), eight_frames_a_shard()).outcome,
              IngestOutcome::kContinued);
    EXPECT_EQ(names_in(store()),
              (Names{"manifest.json", "shard-00000.h5", "shard-00001.h5", "shard-00002.h5"}));
    EXPECT_TRUE(store_bytes(store()) == whole_);
  }
  // Nothing is lost: the damaged shard stays beside the one that was made again.
  void expect_continued_and_damaged_kept() {
    EXPECT_EQ(build_store(dataset_, store(), eight_frames_a_shard()).outcome,
              IngestOutcome::kContinued);
    EXPECT_TRUE(fs::remove(store() / "shard-00001.h5.damaged"));
    EXPECT_TRUE(store_bytes(store()) == whole_);
  }
  TestDirectory directory_;
  FakeDataset dataset_;
  std::map<std::string, std::string> whole_;
};

TEST_F(CutOffIngestTest, IsContinuedAfterTheLastShard) {
  fs::remove(store() / "shard-00002.h5");
  expect_continued();
}

TEST_F(CutOffIngestTest, IsContinuedWithAShardMissingInTheMiddle) {
  fs::remove(store() / "shard-00001.h5");
  expect_continued();
}

TEST_F(CutOffIngestTest, IsContinuedWhenOnlyTheManifestIsMissing) { expect_continued(); }

TEST_F(CutOffIngestTest, LeavesFinishedShardsUntouched) {
  fs::remove(store() / "shard-00002.h5");
  const auto written = fs::last_write_time(store() / "shard-00000.h5");
  expect_continued();
  EXPECT_EQ(fs::last_write_time(store() / "shard-00000.h5"), written);
}

TEST_F(CutOffIngestTest, LeavesWhatALivingWriterIsWriting) {
  const fs::path living = common::temporary_name_beside(store() / "shard-00002.h5");
  fs::rename(store() / "shard-00002.h5", living);
  EXPECT_EQ(build_store(dataset_, store(), eight_frames_a_shard()).outcome,
            IngestOutcome::kContinued);
  EXPECT_TRUE(fs::remove(living));
  EXPECT_TRUE(store_bytes(store()) == whole_);
}

TEST_F(CutOffIngestTest, RemovesAHalfWrittenShard) {
  fs::rename(store() / "shard-00002.h5", temporary_of_dead_process(store() / "shard-00002.h5"));
  expect_continued();
}

TEST_F(CutOffIngestTest, IsContinuedWhenItDiedWhileWritingTheManifest) {
  std::ofstream(temporary_of_dead_process(store() / "manifest.json")) << "{ \"cameras\"";
  expect_continued();
}

TEST_F(CutOffIngestTest, MakesADamagedShardAgain) {
  flip_bit(store() / "shard-00001.h5", place_of_frame(store() / "shard-00001.h5", 3));
  expect_continued_and_damaged_kept();
}

// Columns and joints have no checksum of their own; the uuid speaks for them.
TEST_F(CutOffIngestTest, MakesAShardWithADamagedColumnAgain) {
  const fs::path shard = store() / "shard-00001.h5";
  haddr_t place = 0;
  {
    const Hdf5Handle file = open_hdf5_file(shard.string());
    place = H5Dget_offset(open_dataset(file, "/tracklets/identity", shard.string()).get());
  }
  flip_bit(shard, place);
  expect_continued_and_damaged_kept();
}

TEST_F(CutOffIngestTest, MakesATruncatedShardAgain) {
  fs::resize_file(store() / "shard-00001.h5", 1000);
  expect_continued_and_damaged_kept();
}

TEST_F(CutOffIngestTest, MakesAShardAgainThatWasRemovedFromAFinishedStore) {
  build_store(dataset_, store(), eight_frames_a_shard());
  fs::remove(store() / "shard-00001.h5");
  expect_continued();
}

// Bytes after the end of an HDF5 file are no damage to HDF5, but the manifest's checksums fail.
TEST_F(CutOffIngestTest, MakesAShardOfAFinishedStoreAgainThatHasAnotherSize) {
  build_store(dataset_, store(), eight_frames_a_shard());
  const fs::path shard = store() / "shard-00001.h5";
  const auto size = fs::file_size(shard);
  for (const uint64_t other : {size + 100, size - 100, uint64_t{0}}) {
    fs::resize_file(shard, other);
    expect_continued_and_damaged_kept();
  }
}

TEST_F(CutOffIngestTest, IsRefusedWhileItIsBegunWithOtherSettings) {
  fs::remove_all(store());
  fs::create_directory(store());
  std::ofstream(store() / ".ingest-0123").flush();
  const std::string text =
      failure_text<InputError>([&] { build_store(dataset_, store(), eight_frames_a_shard()); });
  EXPECT_TRUE(contains(text, store().string())) << text;
  EXPECT_EQ(names_in(store()), Names{".ingest-0123"});
}

TEST_F(CutOffIngestTest, RefusesToContinueWithOtherOptions) {
  const auto before = store_bytes(store());
  IngestOptions other = eight_frames_a_shard();
  other.frame_height = 32;
  const std::string text = failure_text<InputError>([&] { build_store(dataset_, store(), other); });
  EXPECT_TRUE(contains(text, "shard-00000.h5")) << text;
  EXPECT_TRUE(store_bytes(store()) == before);
}

TEST(FinishedStoreTest, ADamagedShardOfTheSameSizeIsMadeAgain) {
  const TestDirectory directory;
  const FakeDataset dataset = two_camera_dataset(3, 4);
  build_store(dataset, directory / "store", eight_frames_a_shard());
  const auto whole = store_bytes(directory / "store");
  for (const uint64_t byte : {uint64_t{3}, uint64_t{9000}}) {
    flip_bit(directory / "store/shard-00001.h5", byte);
    EXPECT_EQ(build_store(dataset, directory / "store", eight_frames_a_shard()).outcome,
              IngestOutcome::kContinued);
    EXPECT_TRUE(fs::remove(directory / "store/shard-00001.h5.damaged"));
    EXPECT_TRUE(store_bytes(directory / "store") == whole);
  }
}

}  // namespace
}  // namespace muster::datastore
