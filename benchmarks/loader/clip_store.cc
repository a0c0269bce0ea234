#include "benchmarks/loader/clip_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <cmath>
#include <numeric>

#include "common/keyed_random.h"
#include "datastore/clip_loader.h"
#include "datastore/jpeg_codec.h"
#include "datastore/manifest.h"
#include "datastore/protocol.h"
#include "datastore/shard_reader.h"
#include "datastore/shard_writer.h"

namespace muster::benchmarks {
namespace {

namespace fs = std::filesystem;
using namespace muster::datastore;

// Few different pictures are enough: their bytes lie in many places.
constexpr int kPictures = 128;

Image picture(int number) {
  common::KeyedRandom random(static_cast<uint64_t>(number));
  Image image{kFrameHeight, kFrameWidth, {}};
  for (int y = 0; y < kFrameHeight; ++y) {
    for (int x = 0; x < kFrameWidth; ++x) {
      for (int channel = 0; channel < 3; ++channel) {
        const double level = 128 + 50 * std::sin(0.09 * x + 0.3 * number + channel) +
                             40 * std::cos(0.07 * y - 0.2 * number) + random.uniform(-8, 8);
        image.rgb.push_back(static_cast<uint8_t>(level));
      }
    }
  }
  return image;
}

FrameGeometry geometry(FrameEncoding encoding) {
  FrameGeometry result;
  result.height = kFrameHeight, result.width = kFrameWidth;
  result.encoding = encoding;
  if (encoding == FrameEncoding::kRaw) {
    result.flow_height = kFlowHeight, result.flow_width = kFlowWidth;
  }
  return result;
}

// One person per tracklet, so that everything trains.
void write_store(const fs::path& directory, FrameEncoding encoding, int frames) {
  std::vector<std::vector<uint8_t>> pictures;
  for (int i = 0; i < kPictures; ++i) {
    const Image image = picture(i);
    pictures.push_back(encoding == FrameEncoding::kRaw ? image.rgb : encoded_jpeg(image));
  }
  std::vector<int8_t> flow(size_t{kFlowHeight} * kFlowWidth * 2);
  std::iota(flow.begin(), flow.end(), int8_t{0});
  const int tracklets = frames / kTrackletFrames;
  const fs::path shard = directory / "shard-00000.h5";
  ShardWriter writer(shard, geometry(encoding), tracklets, tracklets * kTrackletFrames, "speed");
  for (int number = 0; number < tracklets; ++number) {
    EncodedTracklet tracklet;
    tracklet.description = {number + 1, 1, 0, kTrackletFrames, "", kRoleTrain};
    for (int frame = 0; frame < kTrackletFrames; ++frame) {
      tracklet.frames.push_back(pictures[static_cast<size_t>(number * 7 + frame) % kPictures]);
      if (encoding == FrameEncoding::kRaw) tracklet.flow.push_back(flow);
    }
    writer.append(tracklet);
  }
  Manifest manifest;
  const std::string uuid = writer.publish();
  manifest.facts.layout = "prid2011";
  manifest.facts.synthetic = true;
  manifest.geometry = geometry(encoding);
  manifest.ingest_identity = "speed";
  manifest.tracklets = manifest.identities = tracklets;
  manifest.frames = tracklets * kTrackletFrames;
  manifest.cameras = 1;
  ShardRecord record = describe_shard_file(shard, ShardReader(shard).payload_ranges());
  record.file = shard.filename().string();
  record.uuid = uuid;
  record.tracklets = manifest.tracklets;
  record.frames = manifest.frames;
  manifest.shards.push_back(record);
  write_manifest(directory, manifest);
}

}  // namespace

ClipStore::ClipStore(const fs::path& parent, FrameEncoding encoding, int frames)
    : directory_(parent / ("muster-loader-speed-" + std::to_string(::getpid()))) {
  fs::create_directories(directory_);
  write_store(directory_, encoding, frames);
  store_ = std::make_unique<TrackletStore>(directory_);
}

ClipStore::~ClipStore() {
  store_.reset();
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

std::unique_ptr<BatchPlanner> ClipStore::planner(const ClipFormat& format) const {
  BatchOptions options;
  options.sampler = Sampler::kTracklets;
  options.size = kClipsPerBatch;
  options.frames = kClipFrames;
  return create_batch_planner(*store_, std::vector<int32_t>(store_->tracklets().size(), kRoleTrain),
                              format, options);
}

// Pages that were written row by row copy at two thirds of the speed of pages that came from the
// disk by read-ahead, and a store is usually older than the training: forget the former.
void ClipStore::warm_up() const {
  const int file = ::open((directory_ / "shard-00000.h5").c_str(), O_RDONLY | O_CLOEXEC);
  ::fsync(file);
  ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  ::close(file);
  std::vector<int32_t> frames(kTrackletFrames);
  std::iota(frames.begin(), frames.end(), 0);
  const bool with_flow = store_->manifest().geometry.flow_height > 0;
  for (const StoredTracklet& tracklet : store_->tracklets()) {
    read_clip(*store_, tracklet, frames, with_flow);
  }
}

}  // namespace muster::benchmarks
