#include "datastore/ingest.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <thread>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/sha256.h"
#include "datastore/hdf5_handle.h"
#include "datastore/ordered_parallel.h"
#include "datastore/shard_claim.h"
#include "datastore/shard_plan.h"
#include "datastore/shard_reader.h"
#include "datastore/shard_writer.h"
#include "datastore/store_verification.h"
#include "datastore/tracklet_encoder.h"

namespace muster::datastore {
namespace fs = std::filesystem;
using common::InputError;

namespace {

// Raised together with results: another number means other bytes for the same input.
constexpr int kIngestVersion = 3;

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

// Every setting and fact that decides the store's bytes, a line each.
std::string settings_text(const DatasetReader& dataset, const IngestOptions& options) {
  std::string text = "muster ingest " + std::to_string(kIngestVersion) + "\n";
  const auto add = [&](const std::string& name, const auto& value) {
    if constexpr (std::is_convertible_v<decltype(value), std::string>) {
      text += name + " " + value + "\n";
    } else {
      text += name + " " + std::to_string(value) + "\n";
    }
  };
  const DatasetFacts facts = dataset.facts();
  add("layout", facts.layout);
  add("height", options.frame_height);
  add("width", options.frame_width);
  add("raw", options.encoding == FrameEncoding::kRaw);
  add("flow height", options.flow_height);
  add("flow width", options.flow_width);
  add("whole pixel flow", options.whole_pixel_flow);
  add("shard", options.shard_bytes);
  add("skip", options.on_error == OnError::kSkip);
  for (const auto& split : facts.test_identities) {
    for (const int32_t identity : split) add("tests", identity);
    add("split", 0);
  }
  for (const TrackletDescription& tracklet : dataset.tracklets()) {
    add("tracklet", tracklet.name + " " + std::to_string(tracklet.identity) + " " +
                        std::to_string(tracklet.camera) + " " + std::to_string(tracklet.sequence) +
                        " " + std::to_string(tracklet.frames) + " " +
                        std::to_string(tracklet.role));
  }
  return text;
}

// Name and digest of some sources; of one that cannot be read, what is left of that.
std::string source_digests(const DatasetReader& dataset, size_t first, size_t last,
                           OnError on_error) {
  std::string text;
  for (size_t i = first; i < last; ++i) {
    const fs::path file = dataset.source(i);
    std::string digest = "unreadable";
    try {
      digest = common::sha256_of_file(file);
    } catch (const InputError& failure) {
      if (on_error == OnError::kFail) {
        throw InputError(failure.object(), failure.problem(),
                         "put it right, or leave its tracklet out with --on-error skip");
      }
    } catch (const common::SystemError&) {
      if (on_error == OnError::kFail) throw;
    }
    text += file.filename().string() + " " + digest + "\n";
  }
  return text;
}

// SHA-256 over everything that decides the store's bytes.
std::string identity_of(const DatasetReader& dataset, const IngestOptions& options,
                        common::ProgressSink& progress) {
  constexpr size_t kFilesAtATime = 64;
  common::Sha256 hash;
  hash.update(settings_text(dataset, options));
  const size_t count = dataset.source_count();
  const auto end = [&](size_t block) { return std::min(count, (block + 1) * kFilesAtATime); };
  progress.begin("hashing sources", "files", static_cast<int64_t>(count));
  ordered_parallel((count + kFilesAtATime - 1) / kFilesAtATime, options.jobs,
                   [&](size_t block) {
                     return source_digests(dataset, block * kFilesAtATime, end(block),
                                           options.on_error);
                   },
                   [&](size_t block, const std::string& text) {
                     hash.update(text);
                     progress.advance(static_cast<int64_t>(end(block)));
                   });
  progress.end();
  return hash.finish();
}

// Tracklets that can be stored, and what is left out because it cannot. Pictures are only looked at
// when unreadable ones are to be left out: the shard plan must be known before work starts.
struct Selection {
  std::vector<size_t> tracklets;
  std::vector<LeftOut> left_out;
};

Selection select_tracklets(const DatasetReader& dataset, const IngestOptions& options,
                           common::ProgressSink& progress) {
  const size_t count = dataset.tracklets().size();
  Selection selection;
  selection.left_out = dataset.left_out();
  if (options.on_error == OnError::kFail) {
    for (size_t i = 0; i < count; ++i) selection.tracklets.push_back(i);
    return selection;
  }
  progress.begin("checking pictures", "tracklets", static_cast<int64_t>(count));
  bool has_joints = false;  // as the first that can be read
  ordered_parallel(
      count, options.jobs, [&](size_t i) { return look_at_tracklet(dataset, i); },
      [&](size_t i, TrackletLook look) {
        if (look.fault.empty() && selection.tracklets.empty()) has_joints = look.has_joints;
        if (look.fault.empty() && look.has_joints != has_joints) {
          look.fault = has_joints ? "has no joints although others have them"
                                  : "has joints although others have none";
        }
        if (look.fault.empty()) {
          selection.tracklets.push_back(i);
        } else {
          selection.left_out.push_back({dataset.tracklets()[i].name, look.fault});
        }
        progress.advance(static_cast<int64_t>(i) + 1);
      });
  progress.end();
  for (const LeftOut& thing : selection.left_out) {
    progress.note("left out " + thing.name + ": " + thing.reason);
  }
  return selection;
}

// While shards are written, an empty hidden file says by its name whose the store is: ingests of
// different data that begin at the same time must not mix their shards.
constexpr char kMarkPrefix[] = ".ingest-";

fs::path mark_of(const fs::path& store, const std::string& identity) {
  return store / (kMarkPrefix + identity);
}

// Marks the store, then looks: of two that do so at once at least one sees the other's mark.
void claim_store(const fs::path& store, const std::string& identity) {
  const fs::path mark = mark_of(store, identity);
  const bool mine_already = fs::exists(mark);
  common::write_file_atomically(mark, "");
  for (const auto& entry : fs::directory_iterator(store)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind(kMarkPrefix, 0) != 0 || name == mark.filename().string()) continue;
    std::error_code ignored;
    if (!mine_already) fs::remove(mark, ignored);
    throw InputError(store.string(), "was begun with other data or settings",
                     "choose another --store, or remove this one first");
  }
}

// What an ingest that died leaves behind.
bool is_remains(const std::string& name) {
  return name.rfind(".shard-", 0) == 0 || name.rfind("." + std::string(kManifestName), 0) == 0 ||
         name.rfind(kMarkPrefix, 0) == 0 || name.rfind("." + std::string(kMarkPrefix), 0) == 0;
}

using Promises = std::map<std::string, ShardRecord>;

// The shards that an earlier manifest of the store names.
Promises promised_shards(const fs::path& store) {
  Promises promises;
  std::error_code ignored;
  if (!fs::exists(store / kManifestName, ignored)) return promises;
  for (const ShardRecord& shard : read_manifest(store).shards) promises[shard.file] = shard;
  return promises;
}

// Nothing but the remains of an earlier ingest may lie in the directory. Returns true if it holds a
// finished store of the same identity whose shards are all as its manifest says; others are made
// again.
bool finished_store_there(const fs::path& store, const std::string& identity,
                          const IngestOptions& options, common::ProgressSink& progress) {
  std::error_code failure;
  if (!fs::exists(store, failure)) return false;
  if (!fs::is_directory(store, failure)) {
    throw InputError(store.string(), "exists and is not a directory", "choose another --store");
  }
  if (fs::exists(store / kManifestName, failure)) {
    const Manifest manifest = read_manifest(store);
    if (manifest.ingest_identity == identity) {
      return verify_store(store, VerifyDepth::kCrc32c, progress, options.jobs).empty();
    }
    throw InputError(store.string(), "already holds a store of other data or settings",
                     "choose another --store or remove this one first");
  }
  for (const auto& entry : fs::directory_iterator(store)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind("shard-", 0) != 0 && name != "annotations" && !is_remains(name)) {
      throw InputError(store.string(), "already exists and holds '" + name + "', not a store",
                       "choose another --store");
    }
  }
  return false;
}

InputError foreign_shard(const fs::path& path) {
  return InputError(path.string(), "belongs to other data or settings",
                    "choose another --store or remove it first");
}

enum class ShardState { kMissing, kFinished, kDamaged };

// Of a shard file of this very ingest, left by a run that was cut off or written by another just
// now. `promised` is what a manifest says. `fault` gets what is wrong with a damaged one.
ShardState state_of_shard(const fs::path& path, const std::string& identity,
                          const Promises& promised, std::string& fault) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return ShardState::kMissing;
  const auto promise = promised.find(path.filename().string());
  if (promise != promised.end()) {
    if (common::sha256_of_file(path) == promise->second.sha256) return ShardState::kFinished;
    fault = path.string() + ": is not what the manifest says";
    return ShardState::kDamaged;
  }
  try {
    const ShardReader reader(path);
    if (reader.ingest_identity() == identity) {
      reader.verify_content();
      return ShardState::kFinished;
    }
  } catch (const common::Error& failure) {
    fault = failure.what();
    return ShardState::kDamaged;
  }
  throw foreign_shard(path);
}

class Ingester {
 public:
  Ingester(const DatasetReader& dataset, const fs::path& store, const IngestOptions& options,
           common::ProgressSink& progress)
      : dataset_(dataset), store_(store), options_(options), progress_(progress) {}

  IngestResult run() {
    identity_ = identity_of(dataset_, options_, progress_);
    if (finished_store_there(store_, identity_, options_, progress_)) {
      const Manifest manifest = read_manifest(store_);
      for (const ShardRecord& shard : manifest.shards) remove_remains_of(shard.file);
      remove_mark();
      return {IngestOutcome::kAlreadyThere, manifest};
    }
    promised_ = promised_shards(store_);
    selection_ = select_tracklets(dataset_, options_, progress_);
    if (selection_.tracklets.empty()) {
      throw InputError("the dataset for " + store_.string(), "has no readable tracklet");
    }
    for (const size_t i : selection_.tracklets) descriptions_.push_back(dataset_.tracklets()[i]);
    plans_ = plan_shards(descriptions_, options_);
    Manifest manifest = manifest_without_shards();
    announce(manifest);
    make_store_directory();
    refuse_foreign_shards();
    claim_store(store_, identity_);
    claimed_ = true;
    // Another may have finished it between the first look and the claim.
    finished_store_there(store_, identity_, options_, progress_);
    progress_.begin("writing frames", "frames", manifest.frames);
    write_all_shards(manifest.geometry);
    progress_.end();
    describe_all_shards(manifest);
    write_manifest(store_, manifest);
    remove_mark();
    // Of writers that died while this one was working.
    for (const ShardPlan& plan : plans_) remove_remains_of(plan.file);
    return {continued_ ? IngestOutcome::kContinued : IngestOutcome::kBuilt, manifest};
  }

  // After a failure: the claim if nothing follows from it, and an empty directory that was not
  // there before.
  void remove_made_directory() const {
    std::error_code ignored;
    bool begun = false;
    for (const auto& entry : fs::directory_iterator(store_, ignored)) {
      begun |= entry.path() != mark_of(store_, identity_);
    }
    if (claimed_ && !begun) remove_mark();
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
    for (const ShardPlan& plan : plans_) {
      std::error_code ignored;
      if (fs::exists(store_ / plan.file, ignored)) frames_there += plan.frames;
    }
    const uint64_t whole = estimated_bytes(dataset_, options_);
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
    common::remove_stale_temporaries(store_ / kManifestName);
    for (const ShardPlan& plan : plans_) common::remove_stale_temporaries(store_ / plan.file);
  }

  void remove_mark() const {
    const fs::path mark = mark_of(store_, identity_);
    std::error_code ignored;
    fs::remove(mark, ignored);
    common::remove_stale_temporaries(mark);
  }

  void remove_remains_of(const std::string& shard_file) const {
    common::remove_stale_temporaries(store_ / shard_file);
    ShardClaim::remove_unheld(store_ / shard_file);
  }

  // Before the store is claimed: what stands there must not be mixed with ours.
  void refuse_foreign_shards() const {
    std::error_code ignored;
    for (const ShardPlan& plan : plans_) {
      const fs::path path = store_ / plan.file;
      if (!fs::exists(path, ignored)) continue;
      std::string identity = identity_;
      try {
        identity = ShardReader(path).ingest_identity();
      } catch (const common::Error&) {  // a damaged one is made again later
      }
      if (identity != identity_) throw foreign_shard(path);
    }
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
    const fs::path path = store_ / plan.file;
    std::string fault;
    ShardState state = state_of_shard(path, identity_, promised_, fault);
    if (state != ShardState::kFinished) {
      std::optional<ShardClaim> claim = ShardClaim::attempt(path);
      if (!claim) return false;
      // It may have been finished between the look and the claim.
      state = state_of_shard(path, identity_, promised_, fault);
      if (state == ShardState::kDamaged) set_aside(path, fault);
      if (state != ShardState::kFinished) {
        promised_.erase(plan.file);
        write_shard(plan, geometry, std::move(*claim));
        return true;
      }
    }
    continued_ = true;
    frames_done_ += plan.frames;
    progress_.advance(frames_done_);
    return true;
  }

  void set_aside(const fs::path& path, const std::string& fault) const {
    const fs::path aside = path.string() + ".damaged";
    fs::rename(path, aside);
    progress_.note(fault + "; kept as " + aside.filename().string() + " and made again");
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
    publish_aside(std::move(writer), std::move(claim));
  }

  // Syncing and reading back a shard leave the cores to the encoding of the next one. At most one
  // shard is published at a time.
  void publish_aside(std::unique_ptr<ShardWriter> writer, ShardClaim claim) {
    await_publishing();
    publishing_ = std::async(hdf5_allows_threads() ? std::launch::async : std::launch::deferred,
                             [writer = std::move(writer), claim = std::move(claim)]() mutable {
                               const ShardClaim held = std::move(claim);
                               const auto finished = std::move(writer);
                               finished->publish();
                             });
    if (!hdf5_allows_threads()) await_publishing();
  }

  void await_publishing() {
    if (publishing_.valid()) publishing_.get();
  }

  void describe_all_shards(Manifest& manifest) {
    progress_.begin("hashing shards", "shards", static_cast<int64_t>(plans_.size()));
    ordered_parallel(
        plans_.size(), options_.jobs,
        [&](size_t i) {
          const ShardReader reader(store_ / plans_[i].file);
          ShardRecord record =
              describe_shard_file(store_ / plans_[i].file, reader.payload_ranges());
          record.uuid = reader.uuid();
          return record;
        },
        [&](size_t i, ShardRecord record) {
          record.tracklets = static_cast<int64_t>(plans_[i].last - plans_[i].first);
          record.frames = plans_[i].frames;
          manifest.shards.push_back(std::move(record));
          progress_.advance(static_cast<int64_t>(i) + 1);
        });
    progress_.end();
  }

  const DatasetReader& dataset_;
  const fs::path store_;
  const IngestOptions& options_;
  common::ProgressSink& progress_;
  std::string identity_;
  Promises promised_;  // by the manifest that is there already
  bool made_directory_ = false;
  Selection selection_;
  std::vector<TrackletDescription> descriptions_;  // of the selection
  std::vector<ShardPlan> plans_;
  int64_t frames_done_ = 0;
  bool continued_ = false, claimed_ = false;
  std::future<void> publishing_;  // its destructor waits
};

}  // namespace

IngestResult ingest(const DatasetReader& dataset, const fs::path& store,
                    const IngestOptions& options, common::ProgressSink& progress) {
  Ingester ingester(dataset, store, options, progress);
  try {
    return ingester.run();
  } catch (...) {
    ingester.remove_made_directory();
    throw;
  }
}

}  // namespace muster::datastore
