#include "datastore/ingest.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <set>
#include <thread>

#include "common/atomic_file.h"
#include "common/error.h"
#include "datastore/hdf5_handle.h"
#include "datastore/ingest_identity.h"
#include "datastore/ordered_parallel.h"
#include "datastore/shard_claim.h"
#include "datastore/shard_plan.h"
#include "datastore/shard_reader.h"
#include "datastore/shard_writer.h"
#include "datastore/store_mark.h"
#include "datastore/store_state.h"
#include "datastore/store_verification.h"
#include "datastore/tracklet_encoder.h"
#include "datastore/tracklet_selection.h"

namespace muster::datastore {
namespace fs = std::filesystem;
using common::InputError;

namespace {

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

class Ingester {
 public:
  Ingester(const DatasetReader& dataset, const fs::path& store, const IngestOptions& options,
           common::ProgressSink& progress)
      : dataset_(dataset), store_(store), options_(options), progress_(progress) {}

  IngestResult run() {
    identity_ = ingest_identity(dataset_, options_, progress_);
    if (const std::optional<Manifest> there = manifest_there(store_, identity_)) {
      if (verify_shards(store_, *there, VerifyDepth::kCrc32c, progress_, options_.jobs).empty()) {
        remove_remains(store_);
        StoreMark::remove_unheld(store_, identity_);
        return {IngestOutcome::kAlreadyThere, *there};
      }
      for (const ShardRecord& shard : there->shards) promised_[shard.file] = shard;
    }
    selection_ = select_tracklets(dataset_, options_, progress_);
    if (selection_.tracklets.empty()) {
      throw InputError("the dataset for " + store_.string(), "has no readable tracklet");
    }
    for (const size_t i : selection_.tracklets) descriptions_.push_back(dataset_.tracklets()[i]);
    plans_ = plan_shards(descriptions_, options_);
    records_.resize(plans_.size());
    finished_ = finished_shards(store_, identity_, plans_, promised_, options_.jobs, progress_);
    Manifest manifest = manifest_without_shards();
    announce(manifest);
    make_store_directory();
    mark_.emplace(store_, identity_);
    // Others may have written here between the first look and the mark.
    refuse_foreign_shards(store_, identity_, plans_, promised_);
    progress_.begin("writing frames", "frames", manifest.frames);
    write_all_shards(manifest.geometry);
    progress_.end();
    describe_other_shards();
    manifest.shards = std::move(records_);
    write_manifest(store_, manifest);
    remove_remains(store_);
    return {continued_ ? IngestOutcome::kContinued : IngestOutcome::kBuilt, manifest};
  }

  // After a failure: the mark, and an empty directory that was not there before.
  void leave() {
    if (publishing_.valid()) publishing_.wait();
    mark_.reset();
    std::error_code ignored;
    if (made_directory_ && fs::is_empty(store_, ignored)) fs::remove(store_, ignored);
  }

 private:
  Manifest manifest_without_shards() const {
    Manifest manifest;
    manifest.facts = dataset_.facts();
    manifest.ingest_identity = identity_;
    manifest.geometry =
        geometry_of(options_, !dataset_.read_joints(selection_.tracklets.front()).empty());
    manifest.whole_pixel_flow = options_.whole_pixel_flow;
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
    manifest.left_out = selection_.left_out;
    return manifest;
  }

  // What is about to be written, and whether it fits. What lies there already is not written again.
  void announce(const Manifest& manifest) const {
    int64_t frames_there = 0;
    for (size_t i = 0; i < plans_.size(); ++i) frames_there += finished_[i] ? plans_[i].frames : 0;
    const uint64_t whole =
        estimated_bytes(dataset_, selection_.tracklets, manifest.geometry.has_joints, options_);
    const auto missing = static_cast<uint64_t>(
        static_cast<double>(whole) * static_cast<double>(manifest.frames - frames_there) /
        static_cast<double>(std::max<int64_t>(1, manifest.frames)));
    progress_.note(
        store_.string() + " gets " + std::to_string(manifest.tracklets) + " tracklets, " +
        std::to_string(manifest.frames) + " frames, about " + readable_bytes(whole) + " in " +
        std::to_string(plans_.size()) + (plans_.size() == 1 ? " shard" : " shards") +
        (frames_there > 0 ? ", " + readable_bytes(missing) + " of it still missing; " : "; ") +
        readable_bytes(free_bytes(store_)) + " are free");
    require_room(store_, missing);
  }

  void make_store_directory() {
    std::error_code failure;
    made_directory_ = fs::create_directories(store_, failure);
    if (failure) throw common::system_call_error(store_.string(), "create", failure.value());
  }

  // Passes over the shards that are not finished until none is left: those that nobody else writes
  // are written here, the others are looked at again later.
  void write_all_shards(const FrameGeometry& geometry) {
    std::vector<const ShardPlan*> open;
    for (const ShardPlan& plan : plans_) open.push_back(&plan);
    bool first_pass = true;
    while (!open.empty()) {
      const size_t before = open.size();
      const auto done = [&](const ShardPlan* plan) { return finish_shard(*plan, geometry); };
      open.erase(std::remove_if(open.begin(), open.end(), done), open.end());
      if (first_pass && !open.empty()) {
        progress_.note(std::to_string(open.size()) + " shards of " + store_.string() +
                       " are being written by another ingest; waiting for them");
      }
      first_pass = false;
      await_publishing();
      if (open.size() == before) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }

  // False while another process is writing it.
  bool finish_shard(const ShardPlan& plan, const FrameGeometry& geometry) {
    if (!finished_[index_of(plan)]) {
      const fs::path path = store_ / plan.file;
      std::optional<ShardClaim> claim = ShardClaim::attempt(path);
      if (!claim) return false;
      common::remove_stale_temporaries(path);
      std::string fault;
      const ShardState state = state_of_shard(path, identity_, promised_, fault);
      if (state == ShardState::kDamaged) {
        progress_.note(fault + "; it is made again and kept beside the new one");
      }
      if (state != ShardState::kFinished) {
        promised_.erase(plan.file);
        write_shard(plan, geometry, std::move(*claim));
        return true;
      }
    }
    const auto promise = promised_.find(plan.file);
    if (promise != promised_.end()) record_of(plan) = promise->second;
    continued_ = true;
    frames_done_ += plan.frames;
    progress_.advance(frames_done_);
    return true;
  }

  void write_shard(const ShardPlan& plan, const FrameGeometry& geometry, ShardClaim claim) {
    auto writer = std::make_unique<ShardWriter>(store_ / plan.file, geometry,
                                                static_cast<int64_t>(plan.last - plan.first),
                                                plan.frames, identity_);
    ordered_parallel(
        plan.last - plan.first, options_.jobs,
        [&](size_t i) {
          return encode_tracklet(dataset_, selection_.tracklets[plan.first + i], options_,
                                 geometry.has_joints);
        },
        [&](size_t, const EncodedTracklet& tracklet) {
          writer->append(tracklet);
          frames_done_ += tracklet.description.frames;
          progress_.advance(frames_done_);
        });
    publish_aside(plan, std::move(writer), std::move(claim));
  }

  // Syncing, reading back and hashing a shard leave the cores to the encoding of the next one. At
  // most one shard is published at a time.
  void publish_aside(const ShardPlan& plan, std::unique_ptr<ShardWriter> writer, ShardClaim claim) {
    await_publishing();
    publishing_ =
        std::async(hdf5_allows_threads() ? std::launch::async : std::launch::deferred,
                   [this, &plan, writer = std::move(writer), claim = std::move(claim)]() mutable {
                     const ShardClaim held = std::move(claim);
                     const auto finished = std::move(writer);
                     finished->publish(&set_damaged_shard_aside);
                     record_of(plan) = described(plan);
                   });
    if (!hdf5_allows_threads()) await_publishing();
  }

  void await_publishing() {
    if (publishing_.valid()) publishing_.get();
  }

  size_t index_of(const ShardPlan& plan) const {
    return static_cast<size_t>(&plan - plans_.data());
  }
  ShardRecord& record_of(const ShardPlan& plan) { return records_[index_of(plan)]; }

  ShardRecord described(const ShardPlan& plan) const {
    const ShardReader reader(store_ / plan.file);
    ShardRecord record = describe_shard_file(store_ / plan.file, reader.payload_ranges());
    record.uuid = reader.uuid();
    record.tracklets = static_cast<int64_t>(plan.last - plan.first);
    record.frames = plan.frames;
    return record;
  }

  // Those that were not written here, and that no manifest described.
  void describe_other_shards() {
    std::vector<const ShardPlan*> others;
    for (const ShardPlan& plan : plans_) {
      if (record_of(plan).file.empty()) others.push_back(&plan);
    }
    if (others.empty()) return;
    progress_.begin("hashing shards", "shards", static_cast<int64_t>(others.size()));
    ordered_parallel(
        others.size(), options_.jobs, [&](size_t i) { return described(*others[i]); },
        [&](size_t i, ShardRecord record) {
          record_of(*others[i]) = std::move(record);
          progress_.advance(static_cast<int64_t>(i) + 1);
        });
    progress_.end();
  }

  const DatasetReader& dataset_;
  const fs::path store_;
  const IngestOptions& options_;
  common::ProgressSink& progress_;
  std::string identity_;
  PromisedShards promised_;  // by the manifest that is there already
  bool made_directory_ = false;
  TrackletSelection selection_;
  std::vector<TrackletDescription> descriptions_;  // of the selection
  std::vector<ShardPlan> plans_;
  std::vector<uint8_t> finished_;     // of the plans; found there when this ingest began
  std::vector<ShardRecord> records_;  // of the plans; without a file's name: not yet known
  std::optional<StoreMark> mark_;     // until the last shard is published
  int64_t frames_done_ = 0;
  bool continued_ = false;
  std::future<void> publishing_;  // its destructor waits
};

}  // namespace

IngestResult ingest(const DatasetReader& dataset, const fs::path& store,
                    const IngestOptions& options, common::ProgressSink& progress) {
  Ingester ingester(dataset, store, options, progress);
  try {
    return ingester.run();
  } catch (...) {
    ingester.leave();
    throw;
  }
}

}  // namespace muster::datastore
