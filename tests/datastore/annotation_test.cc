#include "datastore/annotation.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "datastore/annotation_writer.h"
#include "datastore/sealed_json.h"
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
  fs::path path() const { return directory_ / "store"; }
  std::vector<std::string> faults() const {
    return verify_annotations(path(), store_.manifest().shards);
  }
  // As a store that is opened for them.
  std::string refusal(const std::string& name = "") const {
    return failure_text<InputError>([&] { TrackletStore(path(), {true, name}); });
  }
  fs::path folder() const { return directory_ / "store/annotations/pose"; }
  TestDirectory directory_;
  TrackletStore store_;
};

TEST_F(AnnotationTest, EveryFrameGetsItsOwnJoints) {
  ASSERT_GE(store_.manifest().shards.size(), 2u);
  annotate();
  const TrackletStore store(path(), {true, ""});
  for (const StoredTracklet& tracklet : store.tracklets()) {
    for (int64_t frame = 0; frame < tracklet.length; ++frame) {
      const auto joints = store.read_joints(tracklet, frame);
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
  EXPECT_TRUE(contradictions_of_store(path()).empty());
  EXPECT_EQ(annotation_names(path()), std::vector<std::string>{"pose"});
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
  const std::string text = failure_text<InputError>([&] {
    TrackletStore(directory_ / "other", {true, "pose"});
  });
  EXPECT_TRUE(contains(text, "annotations/pose: belongs to another store")) << text;
  const std::vector<ShardRecord> shards = read_manifest(directory_ / "other").shards;
  const std::vector<std::string> found = verify_annotations(directory_ / "other", shards);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found.front(), text);
  EXPECT_EQ(annotation_summaries(directory_ / "other", shards).front().fault, text);
}

TEST_F(AnnotationTest, EveryFlippedByteIsFound) {
  annotate();
  for (const fs::path& file : {folder() / "shard-00001.h5", folder() / "annotation.json"}) {
    const uint64_t bytes = fs::file_size(file);
    for (uint64_t byte = 0; byte < bytes; byte += file.extension() == ".h5" ? 97 : 1) {
      flip_bit(file, byte, 3);
      EXPECT_EQ(faults().size(), 1u) << file << byte;
      EXPECT_TRUE(contains(refusal(), folder().string())) << file << byte;
      EXPECT_NO_THROW(TrackletStore{path()}) << "that asks for no joints";
      flip_bit(file, byte, 3);
    }
  }
  EXPECT_TRUE(faults().empty());
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

TEST_F(AnnotationTest, AMissingOneIsNamedWithThoseThatAreThere) {
  EXPECT_TRUE(contains(refusal("gait"), "has no annotation 'gait'")) << refusal("gait");
  annotate();
  EXPECT_TRUE(contains(refusal("gait"), "it has pose")) << refusal("gait");
  EXPECT_TRUE(contains(refusal("../annotations/pose"), "has no annotation"));
}

TEST_F(AnnotationTest, OfSeveralOneMustBeNamed) {
  annotate("pose");
  annotate("better");
  EXPECT_TRUE(contains(refusal(), "better, pose")) << refusal();
  EXPECT_EQ(TrackletStore(path(), {true, "better"}).joint_annotation(), "better");
}

TEST_F(AnnotationTest, AStoreWithoutAnyHasNoJoints) {
  const TrackletStore store(path(), {true, ""});
  EXPECT_FALSE(store.has_joints());
  EXPECT_EQ(store.joint_annotation(), "");
}

TEST_F(AnnotationTest, IsLeftAloneUnlessJointsAreWanted) {
  annotate();
  EXPECT_FALSE(TrackletStore(path()).has_joints());
}

TEST_F(AnnotationTest, FilesAndHiddenFoldersBesideAnnotationsAreNone) {
  annotate();
  std::ofstream(path() / "annotations/README") << "by hand";
  fs::create_directory(path() / "annotations/.pose.new");
  EXPECT_EQ(annotation_names(path()), std::vector<std::string>{"pose"});
  EXPECT_TRUE(faults().empty());
}

TEST_F(AnnotationTest, ItsSummarySaysWhoFoundThem) {
  annotate();
  const auto summaries = annotation_summaries(path(), store_.manifest().shards);
  ASSERT_EQ(summaries.size(), 1u);
  EXPECT_EQ(summaries.front().name, "pose");
  EXPECT_EQ(summaries.front().origin, "found by a test");
  EXPECT_EQ(summaries.front().fault, "");
}

TEST_F(AnnotationTest, ItsSummaryTellsOfFilesThatAreMissingOrOfAnotherSize) {
  annotate();
  const auto fault = [&] {
    return annotation_summaries(path(), store_.manifest().shards).front().fault;
  };
  const fs::path file = folder() / "shard-00001.h5";
  fs::resize_file(file, fs::file_size(file) - 1);
  EXPECT_EQ(fault(), file.string() + ": has another size than was written");
  fs::remove(file);
  EXPECT_EQ(fault(), file.string() + ": is missing");
}

// Changes the index and seals it again, as somebody hostile would.
void reseal(const fs::path& index, const std::string& from, const std::string& to) {
  std::string body = read_sealed_json(index);
  ASSERT_TRUE(contains(body, from)) << body;
  body.replace(body.find(from), from.size(), to);
  write_sealed_json(index, body);
}

TEST_F(AnnotationTest, AnIndexThatWasSealedAgainIsStillLookedAt) {
  const std::pair<std::string, std::string> changes[] = {
      {"\"shard-00001.h5\"", "\"../pose/shard-00001.h5\""},
      {"\"shard-00001.h5\"", "\"shard-00000.h5\""},
      {"\"frames\": 8", "\"frames\": 9"},
      {"\"frames\": 8", "\"frames\": 8.5"},
      {"\"crc32c\": ", "\"crc32c\": -"},
      {"\"format_version\": 1", "\"format_version\": 2"},
      {"\"origin\": \"found by a test\"", "\"origin\": 7"},
      {"\"shards\": [", "\"shards\": [3,"},
      {"\"shards\"", "\"splinters\""}};
  for (const auto& [from, to] : changes) {
    annotate();
    reseal(folder() / "annotation.json", from, to);
    EXPECT_EQ(faults().size(), 1u) << to;
    const std::string text = refusal();
    EXPECT_TRUE(contains(text, folder().string())) << to << ": " << text;
    EXPECT_FALSE(contains(text, "\n")) << text;
    fs::remove_all(folder());
  }
}

TEST_F(AnnotationTest, ItsSummaryTellsOfFilesTooShortForTheirFrames) {
  annotate();
  const fs::path file = folder() / "shard-00001.h5", index = folder() / "annotation.json";
  fs::resize_file(file, 8 * kJointCount * sizeof(Joint) - 1);
  auto value = nlohmann::json::parse(read_sealed_json(index));
  value.at("shards").at(1).at("bytes") = fs::file_size(file);
  value.at("shards").at(1).at("crc32c") = crc32c_outside(file, {});
  write_sealed_json(index, value.dump(1));
  EXPECT_EQ(annotation_summaries(path(), store_.manifest().shards).front().fault,
            file.string() + ": is too short for joints of 8 frames");
}

TEST_F(AnnotationTest, AFileThatHoldsNoJointsIsFoundThoughItsChecksumFits) {
  annotate();
  // A shard of the store is HDF5 too.
  const fs::path file = folder() / "shard-00001.h5", index = folder() / "annotation.json";
  fs::copy_file(path() / "shard-00001.h5", file, fs::copy_options::overwrite_existing);
  auto value = nlohmann::json::parse(read_sealed_json(index));
  value.at("shards").at(1).at("bytes") = fs::file_size(file);
  value.at("shards").at(1).at("crc32c") = crc32c_outside(file, {});
  write_sealed_json(index, value.dump(1));
  ASSERT_EQ(faults().size(), 1u);
  EXPECT_TRUE(contains(faults().front(), file.string() + ": ")) << faults().front();
  EXPECT_TRUE(contains(faults().front(), "joints")) << faults().front();
  EXPECT_EQ(refusal(), faults().front());
}

}  // namespace
}  // namespace muster::datastore
