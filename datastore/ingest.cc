#include "datastore/ingest.h"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <set>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/sha256.h"
#include "datastore/jpeg_codec.h"
#include "datastore/optical_flow.h"
#include "datastore/ordered_parallel.h"
#include "datastore/resample.h"
#include "datastore/shard_reader.h"
#include "datastore/shard_writer.h"

namespace muster::datastore {
namespace fs = std::filesystem;
using common::InputError;

namespace {

// Raised together with results: another number means other bytes for the same input.
constexpr int kIngestVersion = 1;

// Tracklets [first, last) of the dataset, in one shard.
struct ShardPlan {
  std::string file;
  size_t first = 0, last = 0;
  int64_t frames = 0;
};

FrameGeometry geometry_of(const IngestOptions& options, bool has_joints) {
  FrameGeometry geometry;
  geometry.height = options.frame_height;
  geometry.width = options.frame_width;
  geometry.flow_height = options.flow_height;
  geometry.flow_width = options.flow_width;
  geometry.encoding = options.encoding;
  geometry.has_joints = has_joints;
  return geometry;
}

// What a frame is expected to take; JPEG at quality 90 is about a fifth of the raw bytes.
uint64_t expected_frame_bytes(const IngestOptions& options) {
  const uint64_t raw = uint64_t{3} * options.frame_height * options.frame_width;
  return (options.encoding == FrameEncoding::kRaw ? raw : raw / 5) +
         uint64_t{2} * options.flow_height * options.flow_width;
}

std::vector<ShardPlan> plan_shards(const std::vector<TrackletDescription>& tracklets,
                                   const IngestOptions& options) {
  std::vector<ShardPlan> plans;
  const uint64_t frame_bytes = expected_frame_bytes(options);
  for (size_t i = 0; i < tracklets.size(); ++i) {
    const bool full =
        !plans.empty() && (static_cast<uint64_t>(plans.back().frames + tracklets[i].frames) *
                           frame_bytes) > options.shard_bytes;
    if (plans.empty() || full) {
      char name[32];
      std::snprintf(name, sizeof(name), "shard-%05zu.h5", plans.size());
      plans.push_back({name, i, i, 0});
    }
    plans.back().last = i + 1;
    plans.back().frames += tracklets[i].frames;
  }
  return plans;
}

// SHA-256 over everything that decides the store's bytes.
std::string identity_of(const DatasetReader& dataset, const IngestOptions& options,
                        common::ProgressSink& progress) {
  common::Sha256 hash;
  const auto add = [&](const std::string& text) { hash.update(text + "\n"); };
  add("muster ingest " + std::to_string(kIngestVersion));
  add(dataset.facts().layout + " " + std::to_string(options.frame_height) + "x" +
      std::to_string(options.frame_width) + " " +
      (options.encoding == FrameEncoding::kRaw ? "raw" : "jpeg") + " flow " +
      std::to_string(options.flow_height) + "x" + std::to_string(options.flow_width) + " shard " +
      std::to_string(options.shard_bytes) + " skip " +
      std::to_string(options.on_error == OnError::kSkipTracklet));
  for (const TrackletDescription& tracklet : dataset.tracklets()) {
    add(tracklet.name + " " + std::to_string(tracklet.identity) + " " +
        std::to_string(tracklet.camera) + " " + std::to_string(tracklet.sequence) + " " +
        std::to_string(tracklet.frames));
  }
  const std::vector<fs::path> sources = dataset.sources();
  progress.begin("hashing sources", "files", static_cast<int64_t>(sources.size()));
  ordered_parallel(
      sources.size(), options.jobs, [&](size_t i) { return common::sha256_of_file(sources[i]); },
      [&](size_t i, const std::string& digest) {
        add(sources[i].filename().string() + " " + digest);
        progress.advance(static_cast<int64_t>(i) + 1);
      });
  progress.end();
  return hash.finish();
}

EncodedTracklet encode_tracklet(const DatasetReader& dataset, size_t index,
                                const IngestOptions& options, bool has_joints) {
  EncodedTracklet tracklet;
  tracklet.description = dataset.tracklets()[index];
  tracklet.joints = dataset.read_joints(index);
  if (tracklet.joints.empty() == has_joints) {
    throw InputError(tracklet.description.name,
                     has_joints ? "has no joints although others have them"
                                : "has joints although others have none",
                     "complete the joints or remove them all");
  }
  Image previous;
  for (int64_t frame = 0; frame < tracklet.description.frames; ++frame) {
    const Image source = dataset.read_frame(index, frame);
    const float scale_x = static_cast<float>(options.frame_width) / source.width;
    const float scale_y = static_cast<float>(options.frame_height) / source.height;
    for (int joint = 0; joint < kJointCount && !tracklet.joints.empty(); ++joint) {
      Joint& place = tracklet.joints[static_cast<size_t>(frame) * kJointCount + joint];
      place.x *= scale_x;
      place.y *= scale_y;
    }
    Image image = resized(source, options.frame_height, options.frame_width);
    tracklet.frames.push_back(options.encoding == FrameEncoding::kRaw ? image.rgb
                                                                      : encoded_jpeg(image));
    if (options.flow_height > 0) {
      tracklet.flow.push_back(
          frame == 0 ? std::vector<int8_t>(
                           static_cast<size_t>(options.flow_height) * options.flow_width * 2, 0)
                     : quantised_flow(lucas_kanade_flow(previous, image), options.flow_height,
                                      options.flow_width));
      previous = std::move(image);
    }
  }
  return tracklet;
}

// Which tracklets can be read at all; only asked when unreadable ones are to be left out, because
// the shard plan must be known before work starts.
std::vector<size_t> readable_tracklets(const DatasetReader& dataset, const IngestOptions& options,
                                       common::ProgressSink& progress) {
  const size_t count = dataset.tracklets().size();
  std::vector<size_t> readable;
  if (options.on_error == OnError::kFail) {
    for (size_t i = 0; i < count; ++i) readable.push_back(i);
    return readable;
  }
  progress.begin("checking pictures", "tracklets", static_cast<int64_t>(count));
  ordered_parallel(
      count, options.jobs,
      [&](size_t i) {
        try {
          dataset.read_joints(i);
          for (int64_t frame = 0; frame < dataset.tracklets()[i].frames; ++frame) {
            dataset.read_frame(i, frame);
          }
        } catch (const common::Error& failure) {
          return std::string(failure.what());
        }
        return std::string();
      },
      [&](size_t i, const std::string& failure) {
        if (failure.empty()) {
          readable.push_back(i);
        } else {
          progress.note("left out " + dataset.tracklets()[i].name + ": " + failure);
        }
        progress.advance(static_cast<int64_t>(i) + 1);
      });
  progress.end();
  return readable;
}

// What an ingest that died leaves behind.
bool is_remains(const std::string& name) {
  return name.rfind(".shard-", 0) == 0 || name.rfind("." + std::string(kManifestName), 0) == 0;
}

// False when shards were removed, damaged ones for example: they are then made again.
bool has_all_shards(const fs::path& store, const Manifest& manifest) {
  return std::all_of(manifest.shards.begin(), manifest.shards.end(), [&](const auto& shard) {
    std::error_code ignored;
    return fs::exists(store / shard.file, ignored);
  });
}

// Nothing but the remains of an earlier ingest may lie in the directory. Returns true if it holds a
// finished store of the same identity.
bool finished_store_there(const fs::path& store, const std::string& identity) {
  std::error_code failure;
  if (!fs::exists(store, failure)) return false;
  if (!fs::is_directory(store, failure)) {
    throw InputError(store.string(), "exists and is not a directory", "choose another --store");
  }
  if (fs::exists(store / kManifestName, failure)) {
    const Manifest manifest = read_manifest(store);
    if (manifest.ingest_identity == identity) return has_all_shards(store, manifest);
    throw InputError(store.string(), "already holds a store of other data or settings",
                     "choose another --store or remove this one first");
  }
  for (const auto& entry : fs::directory_iterator(store)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind("shard-", 0) != 0 && !is_remains(name)) {
      throw InputError(store.string(), "already exists and holds '" + name + "', not a store",
                       "choose another --store");
    }
  }
  return false;
}

void remove_remains(const fs::path& store) {
  for (const auto& entry : fs::directory_iterator(store)) {
    if (is_remains(entry.path().filename().string())) fs::remove(entry.path());
  }
}

// A finished shard of this very ingest, left by a run that was cut off. A damaged one is set aside
// and made again.
bool shard_is_finished(const fs::path& path, const std::string& identity,
                       common::ProgressSink& progress) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return false;
  try {
    const ShardReader reader(path);
    if (reader.ingest_identity() == identity) {
      reader.verify_content();
      return true;
    }
  } catch (const common::Error& failure) {
    const fs::path aside = path.string() + ".damaged";
    fs::rename(path, aside);
    progress.note(std::string(failure.what()) + "; kept as " + aside.filename().string() +
                  " and made again");
    return false;
  }
  throw InputError(path.string(), "belongs to other data or settings",
                   "choose another --store or remove it first");
}

class Ingester {
 public:
  Ingester(const DatasetReader& dataset, const fs::path& store, const IngestOptions& options,
           common::ProgressSink& progress)
      : dataset_(dataset), store_(store), options_(options), progress_(progress) {}

  IngestResult run() {
    const std::string identity = identity_of(dataset_, options_, progress_);
    if (finished_store_there(store_, identity)) {
      return {IngestOutcome::kAlreadyThere, read_manifest(store_)};
    }
    readable_ = readable_tracklets(dataset_, options_, progress_);
    if (readable_.empty()) {
      throw InputError("the dataset for " + store_.string(), "has no readable tracklet");
    }
    for (const size_t i : readable_) descriptions_.push_back(dataset_.tracklets()[i]);
    const std::vector<ShardPlan> plans = plan_shards(descriptions_, options_);
    std::error_code failure;
    fs::create_directories(store_, failure);
    if (failure) {
      throw common::SystemError(store_.string(), "cannot be created: " + failure.message());
    }
    remove_remains(store_);
    Manifest manifest = empty_manifest(identity);
    progress_.begin("writing frames", "frames", manifest.frames);
    IngestOutcome outcome = IngestOutcome::kBuilt;
    for (const ShardPlan& plan : plans) {
      if (shard_is_finished(store_ / plan.file, identity, progress_)) {
        outcome = IngestOutcome::kContinued;
        frames_done_ += plan.frames;
        progress_.advance(frames_done_);
      } else {
        write_shard(plan, manifest.geometry, identity);
      }
      manifest.shards.push_back(record_of(plan));
    }
    progress_.end();
    write_manifest(store_, manifest);
    return {outcome, manifest};
  }

 private:
  Manifest empty_manifest(const std::string& identity) const {
    Manifest manifest;
    manifest.facts = dataset_.facts();
    manifest.ingest_identity = identity;
    manifest.geometry = geometry_of(options_, !dataset_.read_joints(readable_.front()).empty());
    std::set<int32_t> identities;
    std::set<int16_t> cameras;
    for (const TrackletDescription& tracklet : descriptions_) {
      identities.insert(tracklet.identity);
      cameras.insert(tracklet.camera);
      manifest.frames += tracklet.frames;
    }
    manifest.tracklets = static_cast<int64_t>(descriptions_.size());
    manifest.identities = static_cast<int64_t>(identities.size());
    manifest.cameras = static_cast<int64_t>(cameras.size());
    manifest.skipped_tracklets =
        static_cast<int64_t>(dataset_.tracklets().size() - readable_.size());
    return manifest;
  }

  void write_shard(const ShardPlan& plan, const FrameGeometry& geometry,
                   const std::string& identity) {
    ShardWriter writer(store_ / plan.file, geometry, static_cast<int64_t>(plan.last - plan.first),
                       plan.frames, identity);
    ordered_parallel(
        plan.last - plan.first, options_.jobs,
        [&](size_t i) {
          return encode_tracklet(dataset_, readable_[plan.first + i], options_,
                                 geometry.has_joints);
        },
        [&](size_t, const EncodedTracklet& tracklet) {
          writer.append(tracklet);
          frames_done_ += tracklet.description.frames;
          progress_.advance(frames_done_);
        });
    writer.publish();
  }

  ShardRecord record_of(const ShardPlan& plan) const {
    ShardRecord record = describe_shard_file(store_ / plan.file);
    record.uuid = ShardReader(store_ / plan.file).uuid();
    record.tracklets = static_cast<int64_t>(plan.last - plan.first);
    record.frames = plan.frames;
    return record;
  }

  const DatasetReader& dataset_;
  const fs::path store_;
  const IngestOptions& options_;
  common::ProgressSink& progress_;
  std::vector<size_t> readable_;
  std::vector<TrackletDescription> descriptions_;
  int64_t frames_done_ = 0;
};

}  // namespace

IngestResult ingest(const DatasetReader& dataset, const fs::path& store,
                    const IngestOptions& options, common::ProgressSink& progress) {
  return Ingester(dataset, store, options, progress).run();
}

}  // namespace muster::datastore
