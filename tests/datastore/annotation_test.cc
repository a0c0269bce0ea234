#include "datastore/annotation.h"

#include <gtest/gtest.h>

#include "common/error.h"
#include "tests/datastore/small_store.h"

namespace muster::datastore {
namespace {

namespace fs = std::filesystem;
using common::contains;
using common::failure_text;
using common::InputError;
using common::TestDirectory;

// A number that tells tracklet, frame and joint apart.
std::vector<Joint> telling_joints(const StoredTracklet& tracklet, int64_t frame) {
  std::vector<Joint> joints;
  for (int number = 0; number < kJointCount; ++number) {
    joints.push_back({static_cast<float>(tracklet.identity * 100 + number),
                      static_cast<float>(tracklet.camera * 1000 + frame), 0.25f});
  }
  return joints;
}

// Three shards of two tracklets.
class AnnotationTest : public testing::Test {
 protected:
  AnnotationTest() : store_(built(directory_ / "store")) {}
  static TrackletStore built(const fs::path& path) {
    IngestOptions options = small_options();
    options.shard_bytes = 12000;
    build_store(two_camera_dataset(3, 4), path, options);
    return TrackletStore(path);
  }
  void annotate(const std::string& name = "pose") {
    common::SilentProgress progress;
    write_joint_annotation(store_, name, "found by a test", telling_joints, progress);
  }
  fs::path folder() const { return directory_ / "store/annotations/pose"; }
  TestDirectory directory_;
  TrackletStore store_;
};

TEST_F(AnnotationTest, EveryFrameGetsItsOwnJoints) {
  ASSERT_GE(store_.manifest().shards.size(), 2u);
  annotate();
  const JointAnnotation annotation(store_, "pose");
  EXPECT_EQ(annotation.origin(), "found by a test");
  for (const StoredTracklet& tracklet : store_.tracklets()) {
    for (int64_t frame = 0; frame < tracklet.length; ++frame) {
      const auto joints = annotation.read_joints(tracklet, frame);
      const auto expected = telling_joints(tracklet, frame);
      for (size_t i = 0; i < expected.size(); ++i) {
        ASSERT_EQ(joints[i].x, expected[i].x);
        ASSERT_EQ(joints[i].y, expected[i].y);
      }
    }
  }
}

TEST_F(AnnotationTest, ChangesNoByteOfTheStore) {
  const std::string before = manifest_hash(store_.directory());
  annotate();
  EXPECT_EQ(manifest_hash(store_.directory()), before);
  EXPECT_TRUE(verify_store(store_.directory(), VerifyDepth::kSha256).empty());
  EXPECT_EQ(annotation_names(store_.directory()), std::vector<std::string>{"pose"});
}

TEST_F(AnnotationTest, ATakenNameIsRefused) {
  annotate();
  EXPECT_THROW(annotate(), InputError);
}

TEST_F(AnnotationTest, NamesThatAreNoFolderAreRefused) {
  for (const std::string name : {"", ".hidden", "a/b", ".."}) {
    EXPECT_THROW(annotate(name), InputError) << name;
  }
}

TEST_F(AnnotationTest, OfAnotherStoreIsRefused) {
  annotate();
  IngestOptions options = small_options();
  options.shard_bytes = 12000;
  build_store(two_camera_dataset(3, 5), directory_ / "other", options);
  fs::create_directory(directory_ / "other/annotations");
  fs::copy(folder(), directory_ / "other/annotations/pose", fs::copy_options::recursive);
  const TrackletStore other(directory_ / "other");
  const std::string text = failure_text<InputError>([&] { JointAnnotation read(other, "pose"); });
  EXPECT_TRUE(contains(text, "another store")) << text;
}

TEST_F(AnnotationTest, EveryFlippedByteIsFound) {
  annotate();
  for (const fs::path& file : {folder() / "shard-00001.h5", folder() / "annotation.json"}) {
    const uint64_t bytes = fs::file_size(file);
    for (uint64_t byte = 0; byte < bytes; byte += file.extension() == ".h5" ? 97 : 1) {
      flip_bit(file, byte, 3);
      EXPECT_EQ(verify_annotations(store_.directory()).size(), 1u) << file << byte;
      EXPECT_THROW(JointAnnotation(store_, "pose"), InputError) << file << byte;
      flip_bit(file, byte, 3);
    }
  }
  EXPECT_TRUE(verify_annotations(store_.directory()).empty());
}

TEST_F(AnnotationTest, AFailureHalfWayLeavesNothing) {
  common::SilentProgress progress;
  const auto failing = [](const StoredTracklet& tracklet, int64_t frame) {
    if (tracklet.identity == 3) throw common::SystemError("pose network", "ran out of memory");
    return telling_joints(tracklet, frame);
  };
  EXPECT_THROW(write_joint_annotation(store_, "pose", "a test", failing, progress),
               common::SystemError);
  EXPECT_TRUE(common::names_in(directory_ / "store/annotations").empty());
  annotate();
}

TEST_F(AnnotationTest, AMissingOneIsNamed) {
  const std::string text = failure_text<InputError>([&] { JointAnnotation read(store_, "pose"); });
  EXPECT_TRUE(contains(text, "pose")) << text;
}

}  // namespace
}  // namespace muster::datastore
