// What an ingest does about things that are damaged, at the first try and at the second.
#include <gtest/gtest.h>

#include "common/atomic_file.h"
#include "datastore/ingest.h"
#include "datastore/manifest.h"
#include "datastore/shard_claim.h"
#include "tests/common/faults.h"
#include "tests/common/support.h"
#include "tests/datastore/small_store.h"
#include "tests/datastore/three_shard_store.h"

namespace muster::datastore {
namespace {

namespace fs = std::filesystem;
using common::TestDirectory;

TEST(RepairedStoreTest, KeepsEveryDamagedShardThatItReplaced) {
  const TestDirectory directory;
  const FakeDataset dataset = two_camera_dataset(3, 4);
  build_store(dataset, directory / "store", eight_frames_a_shard());
  const auto whole = store_bytes(directory / "store");
  for (const char* aside : {"shard-00001.h5.damaged", "shard-00001.h5.damaged-2"}) {
    flip_bit(directory / "store/shard-00001.h5", 9000);
    const std::string damaged = common::read_file(directory / "store/shard-00001.h5");
    build_store(dataset, directory / "store", eight_frames_a_shard());
    EXPECT_TRUE(common::read_file(directory / "store" / aside) == damaged) << aside;
  }
  EXPECT_TRUE(fs::remove(directory / "store/shard-00001.h5.damaged"));
  EXPECT_TRUE(fs::remove(directory / "store/shard-00001.h5.damaged-2"));
  EXPECT_TRUE(store_bytes(directory / "store") == whole);
}

TEST(RepairedStoreTest, DescribesTheShardsThatItKeptAsBefore) {
  const TestDirectory directory;
  const FakeDataset dataset = two_camera_dataset(3, 4);
  build_store(dataset, directory / "store", eight_frames_a_shard());
  const std::string manifest = manifest_hash(directory / "store");
  fs::remove(directory / "store/shard-00002.h5");
  build_store(dataset, directory / "store", eight_frames_a_shard());
  EXPECT_EQ(manifest_hash(directory / "store"), manifest);
}

// One flipped bit must not cost a shard because the disk is full.
TEST(RepairedStoreTest, KeepsTheDamagedShardInItsPlaceUntilTheNewOneIsWhole) {
  const TestDirectory directory;
  FakeDataset dataset = two_camera_dataset(3, 4);
  build_store(dataset, directory / "store", eight_frames_a_shard());
  flip_bit(directory / "store/shard-00001.h5", 9000);
  const auto before = store_bytes(directory / "store");
  dataset.break_frame(2, 3);  // of the second shard
  EXPECT_THROW(build_store(dataset, directory / "store", eight_frames_a_shard()),
               common::InputError);
  EXPECT_TRUE(store_bytes(directory / "store") == before);
}

TEST(RepairedStoreTest, CountsADamagedShardAsMissing) {
  const TestDirectory directory;
  const FakeDataset dataset = two_camera_dataset(3, 4);
  build_store(dataset, directory / "store", eight_frames_a_shard());
  common::RecordingProgress whole, damaged;
  fs::remove(directory / "store/manifest.json");
  ingest(dataset, directory / "store", eight_frames_a_shard(), whole);
  EXPECT_TRUE(common::contains(whole.notes.at(0), " 0 B of it still missing")) << whole.notes[0];
  flip_bit(directory / "store/shard-00001.h5", 9000);
  ingest(dataset, directory / "store", eight_frames_a_shard(), damaged);
  EXPECT_FALSE(common::contains(damaged.notes.at(0), " 0 B of it")) << damaged.notes[0];
  EXPECT_TRUE(common::contains(damaged.notes[0], "still missing")) << damaged.notes[0];
}

// Hosts may share a name, and process numbers mean nothing beyond their own host.
TEST(RepairedStoreTest, WhatAClaimedShardsWriterHasIsLeftAlone) {
  const TestDirectory directory;
  const FakeDataset dataset = two_camera_dataset(3, 4);
  build_store(dataset, directory / "store", eight_frames_a_shard());
  const fs::path shard = directory / "store/shard-00001.h5";
  const fs::path being_written = common::temporary_of_dead_process(shard);
  common::write_file_atomically(being_written, "half");
  {
    const auto claim = ShardClaim::attempt(shard);
    build_store(dataset, directory / "store", eight_frames_a_shard());
    EXPECT_TRUE(fs::exists(being_written));
  }
  build_store(dataset, directory / "store", eight_frames_a_shard());
  EXPECT_FALSE(fs::exists(being_written));
}

// The first tracklet's joints tell what the others need; where they cannot be read, another's do.
TEST(SkippingIngestTest, GoesOnWhereTheFirstJointsAreDamaged) {
  const TestDirectory directory;
  FakeDataset dataset = two_camera_dataset(2, 3);
  dataset.give_joints();
  dataset.break_joints(0);
  IngestOptions options = small_options();
  options.on_error = OnError::kSkip;
  const Manifest manifest = build_store(dataset, directory / "store", options).manifest;
  EXPECT_EQ(manifest.tracklets, 3);
  EXPECT_TRUE(manifest.geometry.has_joints);
  ASSERT_EQ(manifest.left_out.size(), 1u);
  EXPECT_EQ(manifest.left_out[0].name, dataset.tracklets()[0].name);
}

}  // namespace
}  // namespace muster::datastore
