#include "datastore/shard_plan.h"

#include "common/error.h"
#include "datastore/jpeg_codec.h"
#include "datastore/manifest.h"
#include "datastore/tracklet_encoder.h"

namespace muster::datastore {
namespace fs = std::filesystem;

namespace {

// What a frame is planned to take; JPEG at quality 90 is about a fifth of the raw bytes.
uint64_t planned_frame_bytes(const IngestOptions& options) {
  const uint64_t raw = uint64_t{3} * options.frame_height * options.frame_width;
  return (options.encoding == FrameEncoding::kRaw ? raw : raw / 5) +
         uint64_t{2} * options.flow_height * options.flow_width;
}

// Mean size of some of the frames as they would be stored; unreadable ones do not count.
uint64_t sampled_picture_bytes(const DatasetReader& dataset, const std::vector<size_t>& tracklets,
                               const IngestOptions& options) {
  constexpr size_t kSamples = 24;
  uint64_t bytes = 0, samples = 0;
  for (size_t sample = 0; sample < kSamples && sample < tracklets.size(); ++sample) {
    const size_t tracklet =
        tracklets[sample * tracklets.size() / std::min(kSamples, tracklets.size())];
    try {
      const SourceFrame frame =
          dataset.read_frame(tracklet, dataset.tracklets()[tracklet].frames / 2);
      bytes += stored_picture(frame, options).size();
      ++samples;
    } catch (const common::Error&) {
    }
  }
  return samples == 0 ? planned_frame_bytes(options) : bytes / samples;
}

}  // namespace

std::vector<ShardPlan> plan_shards(const std::vector<TrackletDescription>& tracklets,
                                   const IngestOptions& options) {
  std::vector<ShardPlan> plans;
  const uint64_t frame_bytes = planned_frame_bytes(options);
  for (size_t i = 0; i < tracklets.size(); ++i) {
    const bool full =
        !plans.empty() && (static_cast<uint64_t>(plans.back().frames + tracklets[i].frames) *
                           frame_bytes) > options.shard_bytes;
    if (plans.empty() || full) {
      plans.push_back({shard_file_name(plans.size()), i, i, 0});
    }
    plans.back().last = i + 1;
    plans.back().frames += tracklets[i].frames;
  }
  return plans;
}

uint64_t estimated_bytes(const DatasetReader& dataset, const std::vector<size_t>& tracklets,
                         bool has_joints, const IngestOptions& options) {
  constexpr uint64_t kFrameColumns = 16, kTrackletColumns = 30;
  uint64_t frames = 0;
  for (const size_t tracklet : tracklets) {
    frames += static_cast<uint64_t>(dataset.tracklets()[tracklet].frames);
  }
  const uint64_t frame_bytes = sampled_picture_bytes(dataset, tracklets, options) +
                               uint64_t{2} * options.flow_height * options.flow_width +
                               (has_joints ? kJointCount * sizeof(Joint) : 0) + kFrameColumns;
  const uint64_t bytes = frames * frame_bytes + tracklets.size() * kTrackletColumns;
  return bytes + bytes / 32;  // a sample may be unlucky, and there is HDF5's own part
}

uint64_t free_bytes(const fs::path& path) {
  fs::path place = fs::absolute(path);
  std::error_code failure;
  while (!fs::exists(place, failure) && place != place.root_path()) place = place.parent_path();
  const fs::space_info space = fs::space(place, failure);
  if (failure) throw common::SystemError(place.string(), "has no size: " + failure.message());
  return space.available;
}

void require_room(const fs::path& store, uint64_t bytes) {
  const uint64_t free = free_bytes(store);
  if (bytes <= free) return;
  throw common::InputError(
      store.string(),
      "needs about " + readable_bytes(bytes) + ", its disk has " + readable_bytes(free) + " free",
      "make room or choose another --store");
}

std::string readable_bytes(uint64_t bytes) {
  const char* const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 999.5 && unit + 1 < std::size(units); ++unit) value /= 1000;
  char text[32];
  std::snprintf(text, sizeof(text), value < 9.995 && unit > 0 ? "%.2f %s" : "%.0f %s", value,
                units[unit]);
  return text;
}

}  // namespace muster::datastore
