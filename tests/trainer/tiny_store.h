// A store of a few small tracklets, for tests that train and extract.
#pragma once

#include <cmath>
#include <filesystem>
#include <vector>

#include "common/progress_sink.h"
#include "datastore/ingest.h"
#include "proto/experiment.pb.h"

namespace muster::trainer {

// `identities` persons under cameras 1 and 2, four to six frames each, of moving waves. In memory
// only.
class WaveDataset : public datastore::DatasetReader {
 public:
  explicit WaveDataset(int identities) {
    for (int16_t camera = 1; camera <= 2; ++camera) {
      for (int32_t identity = 1; identity <= identities; ++identity) {
        tracklets_.push_back({identity, camera, 0, 4 + identity % 3, "wave", datastore::kRoleNone});
      }
    }
  }
  // No known layout, so that its tracklets may be shorter than a dataset's protocol asks for.
  datastore::DatasetFacts facts() const override {
    return {"waves", true, "waves for a test", {}, {}};
  }
  const std::vector<datastore::TrackletDescription>& tracklets() const override {
    return tracklets_;
  }
  datastore::SourceFrame read_frame(size_t tracklet, int64_t frame) const override {
    const int32_t identity = tracklets_[tracklet].identity;
    datastore::Image image{24, 16, {}};
    for (int y = 0; y < image.height; ++y) {
      for (int x = 0; x < image.width; ++x) {
        for (int channel = 0; channel < 3; ++channel) {
          const double phase = 0.7 * identity + 1.9 * channel + 0.1 * static_cast<double>(tracklet);
          const double level = 128 + 60 * std::sin(0.5 * (x + static_cast<double>(frame)) + phase) +
                               40 * std::cos(0.3 * y + 2 * phase);
          image.rgb.push_back(static_cast<uint8_t>(std::lround(level)));
        }
      }
    }
    return {std::move(image), {}};
  }
  std::vector<datastore::Joint> read_joints(size_t) const override { return {}; }
  size_t source_count() const override { return 0; }
  std::filesystem::path source(size_t) const override { return {}; }
  const std::vector<datastore::LeftOut>& left_out() const override { return left_out_; }

 private:
  std::vector<datastore::TrackletDescription> tracklets_;
  std::vector<datastore::LeftOut> left_out_;
};

// With joints, for networks that look at some.
class JointWaveDataset : public WaveDataset {
 public:
  using WaveDataset::WaveDataset;
  std::vector<datastore::Joint> read_joints(size_t tracklet) const override {
    std::vector<datastore::Joint> joints;
    for (int64_t frame = 0; frame < tracklets()[tracklet].frames; ++frame) {
      for (int joint = 0; joint < datastore::kJointCount; ++joint) {
        const auto place = static_cast<float>(joint);
        joints.push_back({4 + std::fmod(place * 3, 8.0f), 1 + 1.5f * place, 1});
      }
    }
    return joints;
  }
};

enum class Flow { kWith, kWithout };

inline void build_tiny_store(const std::filesystem::path& directory,
                             const datastore::DatasetReader& dataset, Flow flow = Flow::kWith) {
  datastore::IngestOptions options;
  options.frame_height = 24;
  options.frame_width = 16;
  options.flow_height = flow == Flow::kWith ? 12 : 0;
  options.flow_width = flow == Flow::kWith ? 8 : 0;
  options.encoding = datastore::FrameEncoding::kRaw;
  common::SilentProgress progress;
  datastore::ingest(dataset, directory, options, progress);
}

inline void build_tiny_store(const std::filesystem::path& directory, int identities = 6,
                             Flow flow = Flow::kWith) {
  build_tiny_store(directory, WaveDataset(identities), flow);
}

// Two steps of a small network in float64, dropout on; a batch is two clips of each of two
// identities.
inline proto::Experiment tiny_experiment() {
  proto::Experiment experiment;
  experiment.mutable_model()->mutable_stsrn()->set_width(0.25);
  experiment.mutable_model()->mutable_stsrn()->set_features(16);
  proto::Training& training = *experiment.mutable_training();
  training.set_steps(2);
  training.set_precision(proto::FLOAT64);
  training.mutable_batch()->set_identities(2);
  training.mutable_batch()->set_clips(2);
  training.mutable_batch()->set_frames(3);
  training.mutable_loss()->mutable_identity();
  training.mutable_loss()->mutable_video_triplet();
  return experiment;
}

}  // namespace muster::trainer
