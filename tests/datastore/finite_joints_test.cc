// Joints that are not numbers, in files whose checksums all fit.
#include "datastore/finite_joints.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "datastore/annotation.h"
#include "datastore/annotation_writer.h"
#include "datastore/export.h"
#include "datastore/sealed_json.h"
#include "datastore/shard_writer.h"
#include "tests/datastore/shard_example.h"
#include "tests/datastore/three_shard_store.h"

namespace muster::datastore {
namespace {
namespace fs = std::filesystem;
using common::contains;
using common::failure_text;
using common::InputError;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(IsFiniteTest, LooksAtAllThreeNumbers) {
  EXPECT_TRUE(is_finite({-3, 1e30f, 0}));
  EXPECT_FALSE(is_finite({kNan, 0, 0}));
  EXPECT_FALSE(is_finite({0, -kInfinity, 0}));
  EXPECT_FALSE(is_finite({0, 0, kInfinity}));
}

// Two tracklets of four frames to each of three shards.
class FiniteJointsTest : public ThreeShardStoreTest {
 protected:
  // Writes shard 1 and the manifest again, as a careless program would: with its second tracklet's
  // frame 2, joint 6 at (NaN, 0), and every checksum right.
  void poison_shard() const {
    std::vector<EncodedTracklet> tracklets = tracklets_of_shard(1);
    tracklets.at(1).joints.at(1 * kJointCount + 5) = {kNan, 0, 1};
    Manifest manifest = read_manifest(path());
    ShardRecord& record = manifest.shards.at(1);
    {
      ShardWriter writer(shard(1), manifest.geometry, record.tracklets, record.frames,
                         manifest.ingest_identity);
      for (const EncodedTracklet& tracklet : tracklets) writer.append(tracklet);
      writer.publish();
    }
    const ShardReader reader(shard(1));
    const ShardRecord old = record;
    record = describe_shard_file(shard(1), reader.payload_ranges());
    record.uuid = reader.uuid();
    record.tracklets = old.tracklets;
    record.frames = old.frames;
    write_manifest(path(), manifest);
  }
  std::vector<EncodedTracklet> tracklets_of_shard(int32_t number) const {
    const TrackletStore store(path());
    std::vector<EncodedTracklet> result;
    for (const StoredTracklet& tracklet : store.tracklets()) {
      if (tracklet.shard != number) continue;
      EncodedTracklet copy;
      copy.description = {tracklet.identity, tracklet.camera, tracklet.sequence,
                          tracklet.length,   "a copy",        tracklet.role};
      for (int64_t frame = 0; frame < tracklet.length; ++frame) {
        copy.frames.push_back(store.read_frame_bytes(tracklet, frame));
        copy.flow.push_back(store.read_flow(tracklet, frame));
        const std::vector<Joint> joints = store.read_joints(tracklet, frame);
        copy.joints.insert(copy.joints.end(), joints.begin(), joints.end());
      }
      result.push_back(std::move(copy));
    }
    return result;
  }
  void annotate(const Joint& sixth_of_fourteenth_frame = {1, 2, 1}) const {
    common::SilentProgress progress;
    int frames = 0;
    const auto joints_of = [&](const StoredTracklet&, int64_t) {
      std::vector<Joint> joints(kJointCount, {1, 2, 1});
      if (++frames == 14) joints[5] = sixth_of_fourteenth_frame;
      return joints;
    };
    write_joint_annotation(TrackletStore(path()), "pose", "a test", joints_of, progress);
  }
  // Row 5 of shard 1 is the second frame of its second tracklet.
  void poison_annotation() const {
    annotate();
    const fs::path file = path() / "annotations/pose/shard-00001.h5";
    {
      const RawFile raw(file);
      std::vector<Joint> joints(8 * kJointCount);
      joints[5 * kJointCount + 5] = {1, kInfinity, 1};
      const hid_t dataset = H5Dopen2(raw.get(), kFramesJoints, H5P_DEFAULT);
      H5Dwrite(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, joints.data());
      H5Dclose(dataset);
    }
    const fs::path index = path() / "annotations/pose/annotation.json";
    auto value = nlohmann::json::parse(read_sealed_json(index));
    value.at("shards").at(1).at("bytes") = fs::file_size(file);
    value.at("shards").at(1).at("crc32c") = crc32c_outside(file, {});
    write_sealed_json(index, value.dump(1));
  }
  std::string refusal(const JointSource& source) const {
    return failure_text<InputError>([&] { TrackletStore(path(), source); });
  }
};

TEST_F(FiniteJointsTest, InAShardTheyAreAContradictionOfAStoreWhoseChecksumsFit) {
  poison_shard();
  EXPECT_TRUE(verify_store(path(), VerifyDepth::kSha256).empty());
  const std::vector<std::string> faults = contradictions_of_store(path());
  ASSERT_EQ(faults.size(), 1u);
  const StoredTracklet tracklet = TrackletStore(path()).tracklets()[3];
  EXPECT_EQ(faults.front(), shard(1).string() + ": tracklet 4 (identity " +
                                std::to_string(tracklet.identity) + ", camera " +
                                std::to_string(tracklet.camera) +
                                "), frame 2: joint 6 is not finite; ingest it again");
}

TEST_F(FiniteJointsTest, InAShardTheyAreRefusedByWhoWantsThemAndByNobodyElse) {
  EXPECT_NO_THROW(TrackletStore(path(), {true, ""}));
  poison_shard();
  EXPECT_TRUE(contains(refusal({true, ""}), "frame 2: joint 6 is not finite"));
  EXPECT_NO_THROW(TrackletStore{path()});
  common::SilentProgress progress;
  EXPECT_THROW(export_store(path(), directory_ / "out", "", progress), InputError);
  EXPECT_FALSE(fs::exists(directory_ / "out"));
  annotate();
  EXPECT_NO_THROW(TrackletStore(path(), {true, "pose"}));
}

TEST_F(FiniteJointsTest, InAnAnnotationTheyAreAFault) {
  poison_annotation();
  const std::vector<std::string> faults = verify_annotations(path(), read_manifest(path()).shards);
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_TRUE(contains(faults.front(), "annotations/pose/shard-00001.h5: tracklet 4 (identity "))
      << faults.front();
  EXPECT_TRUE(contains(faults.front(), "frame 2: joint 6 is not finite; make the annotation again"))
      << faults.front();
  EXPECT_EQ(refusal({true, "pose"}), faults.front());
  EXPECT_EQ(refusal({false, "pose"}), faults.front());
  EXPECT_NO_THROW(TrackletStore(path(), {true, ""})) << "which has the joints of the shards";
}

TEST_F(FiniteJointsTest, AnAnnotationOfAStoreThatCannotBeOpenedIsStillChecked) {
  annotate();
  const std::vector<ShardRecord> shards = read_manifest(path()).shards;
  fs::remove(shard(0));
  EXPECT_TRUE(verify_annotations(path(), shards).empty());
  flip_bit(path() / "annotations/pose/shard-00001.h5", 3000);
  EXPECT_EQ(verify_annotations(path(), shards).size(), 1u);
}

TEST_F(FiniteJointsTest, AreNotWritten) {
  for (const Joint& joint : {Joint{kNan, 0, 1}, Joint{0, kInfinity, 1}, Joint{0, 0, kNan}}) {
    const std::string text = failure_text<InputError>([&] { annotate(joint); });
    EXPECT_TRUE(contains(text, "frame 2: are not all finite")) << text;
    EXPECT_TRUE(annotation_names(path()).empty());
  }
}

}  // namespace
}  // namespace muster::datastore
