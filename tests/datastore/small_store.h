// A dataset that exists in memory only, and small stores made of it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/progress_sink.h"
#include "datastore/dataset_reader.h"
#include "datastore/ingest.h"
#include "datastore/shard_reader.h"
#include "datastore/store_verification.h"
#include "datastore/tracklet_store.h"
#include "tests/common/support.h"

namespace muster::datastore {

// Smooth waves that move with `time` and differ with `subject`, 40 to 216 in every channel.
inline Image waves(int height, int width, int subject, int time) {
  Image image{height, width, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int channel = 0; channel < 3; ++channel) {
        const double phase = 0.37 * subject + 1.9 * channel;
        const double level = 128 + 44 * std::sin(0.45 * (x - 0.6 * time) + phase) +
                             44 * std::cos(0.31 * (y - 0.3 * time) + 2 * phase);
        image.rgb.push_back(static_cast<uint8_t>(std::lround(level)));
      }
    }
  }
  return image;
}

// Tracklets are added one by one; frames are waves of the tracklet's number.
class FakeDataset : public DatasetReader {
 public:
  explicit FakeDataset(int height = 24, int width = 16) : height_(height), width_(width) {}

  void add(int32_t identity, int16_t camera, int64_t frames, int32_t sequence = 0,
           int32_t role = kRoleNone) {
    std::string name = "camera" + std::to_string(camera) + "/person" + std::to_string(identity);
    tracklets_.push_back({identity, camera, sequence, frames, std::move(name), role});
  }
  // That frame cannot be decoded.
  void break_frame(size_t tracklet, int64_t frame) { broken_.insert({tracklet, frame}); }
  // Calls `action` whenever a frame of that tracklet is read.
  void when_read(size_t tracklet, std::function<void()> action) {
    watched_ = tracklet;
    action_ = std::move(action);
  }
  // Every frame of every tracklet gets joints, except those of `without`.
  void give_joints(std::set<size_t> without = {}) {
    has_joints_ = true;
    without_joints_ = std::move(without);
  }
  // Those joints cannot be read.
  void break_joints(size_t tracklet) { broken_joints_.insert(tracklet); }
  void come_from(std::vector<std::filesystem::path> sources) { sources_ = std::move(sources); }
  void rename_sequence(size_t tracklet, int32_t sequence) {
    tracklets_[tracklet].sequence = sequence;
  }
  Joint joint(size_t tracklet, int64_t frame, int number) const {
    return {static_cast<float>(number) + 0.25f * static_cast<float>(tracklet),
            static_cast<float>(number) / 2 + static_cast<float>(frame),
            static_cast<float>(number) / 16};
  }

  // The dataset's own halves: who tests in each split, and everybody who trains or tests.
  void split(std::vector<std::vector<int32_t>> test, std::vector<int32_t> all) {
    facts_.test_identities = std::move(test);
    facts_.split_identities = std::move(all);
  }
  void call_layout(std::string layout) { facts_.layout = std::move(layout); }
  void call_synthetic(bool synthetic) { facts_.synthetic = synthetic; }
  DatasetFacts facts() const override { return facts_; }
  const std::vector<TrackletDescription>& tracklets() const override { return tracklets_; }
  SourceFrame read_frame(size_t tracklet, int64_t frame) const override {
    if (action_ && tracklet == watched_) action_();
    if (broken_.count({tracklet, frame}) > 0) {
      throw common::InputError(tracklets_[tracklet].name + "/" + std::to_string(frame) + ".png",
                               "is truncated");
    }
    return {waves(height_, width_, static_cast<int>(tracklet), static_cast<int>(frame)), {}};
  }
  std::vector<Joint> read_joints(size_t tracklet) const override {
    std::vector<Joint> joints;
    if (broken_joints_.count(tracklet) > 0) {
      throw common::InputError(tracklets_[tracklet].name + "/joints.csv", "is no table");
    }
    if (!has_joints_ || without_joints_.count(tracklet) > 0) return joints;
    for (int64_t frame = 0; frame < tracklets_[tracklet].frames; ++frame) {
      for (int number = 0; number < kJointCount; ++number) {
        joints.push_back(joint(tracklet, frame, number));
      }
    }
    return joints;
  }
  size_t source_count() const override { return sources_.size(); }
  std::filesystem::path source(size_t index) const override { return sources_[index]; }
  const std::vector<LeftOut>& left_out() const override { return left_out_; }

 private:
  int height_, width_;
  DatasetFacts facts_{"prid2011", true, "waves for a test", {}, {}};
  std::vector<TrackletDescription> tracklets_;
  std::set<std::pair<size_t, int64_t>> broken_;
  size_t watched_ = 0;
  std::function<void()> action_;
  bool has_joints_ = false;
  std::set<size_t> without_joints_, broken_joints_;
  std::vector<std::filesystem::path> sources_;
  std::vector<LeftOut> left_out_;
};

// `identities` persons, each seen by cameras 1 and 2 for `frames` frames.
inline FakeDataset two_camera_dataset(int identities, int64_t frames) {
  FakeDataset dataset;
  for (int16_t camera = 1; camera <= 2; ++camera) {
    for (int32_t identity = 1; identity <= identities; ++identity) {
      dataset.add(identity, camera, frames);
    }
  }
  return dataset;
}

// The size of FakeDataset's pictures, so that nothing is resampled, and a little flow.
inline IngestOptions small_options(FrameEncoding encoding = FrameEncoding::kRaw) {
  IngestOptions options;
  options.frame_height = 24;
  options.frame_width = 16;
  options.flow_height = 12;
  options.flow_width = 8;
  options.encoding = encoding;
  return options;
}

inline IngestOptions without_flow() {
  IngestOptions options = small_options();
  options.flow_height = options.flow_width = 0;
  return options;
}

// Of the values of a test with an encoding as its parameter.
inline std::string encoding_name(const testing::TestParamInfo<FrameEncoding>& parameter) {
  return parameter.param == FrameEncoding::kRaw ? "Raw" : "Jpeg";
}

inline IngestResult build_store(const DatasetReader& dataset, const std::filesystem::path& store,
                                const IngestOptions& options = small_options()) {
  common::SilentProgress progress;
  return ingest(dataset, store, options, progress);
}

// A store without flow in a directory of its own.
struct OwnStore {
  explicit OwnStore(const DatasetReader& dataset) {
    build_store(dataset, directory / "store", without_flow());
    store = std::make_unique<TrackletStore>(directory / "store");
  }
  common::TestDirectory directory;
  std::unique_ptr<TrackletStore> store;
};

// Every file of a store by name.
inline std::map<std::string, std::string> store_bytes(const std::filesystem::path& store) {
  std::map<std::string, std::string> files;
  for (const std::string& name : common::names_in(store)) {
    files[name] = common::read_file(store / name);
  }
  return files;
}

// Inverts one bit of a file in place.
inline void flip_bit(const std::filesystem::path& file, uint64_t byte, int bit = 0) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(byte));
  const int value = stream.get();
  stream.seekp(static_cast<std::streamoff>(byte));
  stream.put(static_cast<char>(value ^ (1 << bit)));
  if (!stream) throw std::runtime_error("cannot flip a bit of " + file.string());
}

// Where the stored bytes of a frame lie in the shard's file.
inline uint64_t place_of_frame(const std::filesystem::path& shard, int64_t frame) {
  const std::vector<uint8_t> bytes = ShardReader(shard).read_frame_bytes(frame);
  const std::string content = common::read_file(shard);
  const size_t place = content.find(std::string(bytes.begin(), bytes.end()));
  if (place == std::string::npos) throw std::runtime_error("the frame is not in the file");
  return place;
}

}  // namespace muster::datastore
