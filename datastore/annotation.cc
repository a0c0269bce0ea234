#include "datastore/annotation.h"

#include <algorithm>

#include "common/error.h"
#include "datastore/annotation_index.h"
#include "datastore/directory_listing.h"
#include "datastore/hdf5_handle.h"
#include "datastore/shard_payload.h"
#include "datastore/tracklet_store.h"

namespace muster::datastore {
namespace fs = std::filesystem;
using common::InputError;

namespace {

bool can_be_opened(const fs::path& store) {
  try {
    TrackletStore opened(store);
    return true;
  } catch (const common::Error&) {
    return false;
  }
}

// What can be told without reading joints: "" or what is wrong.
std::string missing_part(const fs::path& folder, const AnnotationIndex& index) {
  for (const AnnotationShard& shard : index.shards) {
    const std::string fault = annotation_size_fault(folder / shard.file, shard);
    if (!fault.empty()) return (folder / shard.file).string() + ": " + fault;
  }
  return "";
}

}  // namespace

std::vector<std::string> annotation_names(const fs::path& store) {
  std::vector<std::string> names;
  const fs::path folder = annotation_folder(store, "");
  std::error_code ignored;
  if (!fs::exists(folder, ignored)) return names;
  for_each_entry(folder, [&](const fs::directory_entry& entry) {
    const std::string name = entry.path().filename().string();
    if (name.front() != '.' && entry.is_directory(ignored)) names.push_back(name);
  });
  std::sort(names.begin(), names.end());
  return names;
}

struct JointAnnotation::State {
  std::string origin;
  std::vector<ShardPayload> shards;
  void open(const fs::path& path, const AnnotationShard& record);
};

void JointAnnotation::State::open(const fs::path& path, const AnnotationShard& record) {
  const std::string remedy = "make the annotation again, or remove it";
  const std::string fault = annotation_shard_fault(path, record);
  if (!fault.empty()) throw InputError(path.string(), fault, remedy);
  const Hdf5Handle file = open_hdf5_file(path.string());
  ShardPayload joints(file, kFramesJoints, H5T_NATIVE_FLOAT, {0, kJointCount, 3}, path.string());
  if (joints.rows() != static_cast<uint64_t>(record.frames) || !joints.is_contiguous()) {
    throw InputError(
        path.string(),
        "does not hold joints of " + std::to_string(record.frames) + " frames in one piece",
        remedy);
  }
  shards.push_back(std::move(joints));
}

JointAnnotation::JointAnnotation(const fs::path& store, const std::vector<ShardRecord>& shards,
                                 const std::string& name)
    : state_(std::make_unique<State>()) {
  const fs::path folder = annotation_folder(store, name);
  const AnnotationIndex index = read_annotation_index(folder, shards);
  state_->origin = index.origin;
  for (const AnnotationShard& shard : index.shards) state_->open(folder / shard.file, shard);
}

JointAnnotation::~JointAnnotation() = default;
const std::string& JointAnnotation::origin() const { return state_->origin; }

void JointAnnotation::read_joints_into(size_t shard, int64_t first,
                                       const std::vector<int32_t>& frames, Joint* joints) const {
  const ShardPayload& payload = state_->shards.at(shard);
  for (const int32_t frame : frames) {
    MUSTER_REQUIRE(first + frame, >=, 0);
    MUSTER_REQUIRE(first + frame, <, static_cast<int64_t>(payload.rows()));
    payload.read(static_cast<uint64_t>(first + frame), 1, joints);
    joints += kJointCount;
  }
}

std::vector<AnnotationSummary> annotation_summaries(const fs::path& store,
                                                    const std::vector<ShardRecord>& shards) {
  std::vector<AnnotationSummary> summaries;
  for (const std::string& name : annotation_names(store)) {
    AnnotationSummary summary{name, "", ""};
    try {
      const fs::path folder = annotation_folder(store, name);
      const AnnotationIndex index = read_annotation_index(folder, shards);
      summary.origin = index.origin;
      summary.fault = missing_part(folder, index);
    } catch (const common::Error& failure) {
      summary.fault = failure.what();
    }
    summaries.push_back(std::move(summary));
  }
  return summaries;
}

std::vector<std::string> verify_annotations(const fs::path& store,
                                            const std::vector<ShardRecord>& shards) {
  std::vector<std::string> faults;
  const std::vector<std::string> names = annotation_names(store);
  // Which tracklet a row belongs to, only the store knows.
  const bool has_tracklets = !names.empty() && can_be_opened(store);
  for (const std::string& name : names) {
    const fs::path folder = annotation_folder(store, name);
    const size_t before = faults.size();
    try {
      for (const AnnotationShard& shard : read_annotation_index(folder, shards).shards) {
        const std::string fault = annotation_shard_fault(folder / shard.file, shard);
        if (!fault.empty()) faults.push_back((folder / shard.file).string() + ": " + fault);
      }
      if (faults.size() > before) continue;
      // What the checksums do not say: that these are joints, and numbers.
      if (has_tracklets) {
        TrackletStore(store, {true, name});
      } else {
        JointAnnotation(store, shards, name);
      }
    } catch (const common::Error& failure) {
      faults.push_back(failure.what());
    }
  }
  return faults;
}

}  // namespace muster::datastore
