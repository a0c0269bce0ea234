#include "datastore/annotation.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "common/atomic_file.h"
#include "common/error.h"
#include "datastore/hdf5_handle.h"
#include "datastore/sealed_json.h"
#include "datastore/shard_integrity.h"

namespace muster::datastore {
namespace fs = std::filesystem;
using common::InputError;
using nlohmann::json;

namespace {

constexpr int kAnnotationVersion = 1;
constexpr char kFolder[] = "annotations";
constexpr char kIndexName[] = "annotation.json";

fs::path folder_of(const fs::path& store, const std::string& name) {
  return store / kFolder / name;
}

// One shard of an annotation as its index lists it.
struct AnnotationShard {
  std::string file, annotates;  // uuid of the store's shard
  uint64_t bytes = 0;
  uint32_t crc32c = 0;  // of the whole file
  int64_t frames = 0;
};

struct AnnotationIndex {
  std::string origin;
  std::vector<AnnotationShard> shards;
};

void write_index(const fs::path& folder, const AnnotationIndex& index) {
  json shards = json::array();
  for (const AnnotationShard& shard : index.shards) {
    shards.push_back({{"file", shard.file},
                      {"annotates", shard.annotates},
                      {"bytes", shard.bytes},
                      {"crc32c", shard.crc32c},
                      {"frames", shard.frames}});
  }
  const json value = {
      {"format_version", kAnnotationVersion}, {"origin", index.origin}, {"shards", shards}};
  write_sealed_json(folder / kIndexName, value.dump(1, ' ', false, json::error_handler_t::replace));
}

AnnotationIndex read_index(const fs::path& folder) {
  const fs::path path = folder / kIndexName;
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    throw InputError(folder.string(), "is not an annotation: it has no annotation.json");
  }
  try {
    const json value = json::parse(read_sealed_json(path));
    if (value.at("format_version") != kAnnotationVersion) {
      throw InputError(path.string(), "has format version " + value.at("format_version").dump() +
                                          ", this program reads " +
                                          std::to_string(kAnnotationVersion));
    }
    AnnotationIndex index{value.at("origin"), {}};
    for (const json& shard : value.at("shards")) {
      index.shards.push_back({shard.at("file"), shard.at("annotates"), shard.at("bytes"),
                              shard.at("crc32c"), shard.at("frames")});
    }
    return index;
  } catch (const json::exception& failure) {
    throw InputError(path.string(), std::string("is not an annotation: ") + failure.what());
  }
}

// "" if the file is what the index says.
std::string fault_of(const fs::path& path, const AnnotationShard& shard) {
  std::error_code failure;
  if (!fs::is_regular_file(path, failure)) return "is missing";
  if (fs::file_size(path, failure) != shard.bytes) return "has another size than was written";
  if (crc32c_outside(path, {}) != shard.crc32c) return "differs from what was written";
  return "";
}

// The tracklets of one shard of the store, in order.
AnnotationShard write_shard(const TrackletStore& store, int32_t number, const fs::path& folder,
                            const JointsOfFrame& joints_of) {
  const ShardRecord& record = store.manifest().shards[static_cast<size_t>(number)];
  const fs::path path = folder / record.file;
  Hdf5Handle file = create_hdf5_file(path.string());
  create_group(file, "/frames");
  Hdf5Handle joints =
      create_dataset(file, kFramesJoints, H5T_IEEE_F32LE,
                     {static_cast<hsize_t>(record.frames), static_cast<hsize_t>(kJointCount), 3});
  hsize_t row = 0;
  for (const StoredTracklet& tracklet : store.tracklets()) {
    if (tracklet.shard != number) continue;
    std::vector<Joint> rows;
    for (int64_t frame = 0; frame < tracklet.length; ++frame) {
      const std::vector<Joint> found = joints_of(tracklet, frame);
      MUSTER_REQUIRE(found.size(), ==, static_cast<size_t>(kJointCount));
      rows.insert(rows.end(), found.begin(), found.end());
    }
    write_rows(joints, H5T_NATIVE_FLOAT, row, static_cast<hsize_t>(tracklet.length), rows.data(),
               path.string());
    row += static_cast<hsize_t>(tracklet.length);
  }
  write_attribute(file, "format_version", std::string(kShardFormatVersion));
  write_attribute(file, "annotates", record.uuid);
  write_attribute(file, "complete", static_cast<int64_t>(1));
  joints = Hdf5Handle();
  file.close(path.string());
  common::sync_path(path);
  return {record.file, record.uuid, fs::file_size(path), crc32c_outside(path, {}), record.frames};
}

}  // namespace

void write_joint_annotation(const TrackletStore& store, const std::string& name,
                            const std::string& origin, const JointsOfFrame& joints_of,
                            common::ProgressSink& progress) {
  const fs::path folder = folder_of(store.directory(), name);
  if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos) {
    throw InputError("annotation '" + name + "'", "is no name for a folder", "choose another");
  }
  common::require_new_directory(folder, "choose another name or remove it first");
  common::remove_stale_temporaries(folder);
  const fs::path temporary = common::temporary_name_beside(folder);
  try {
    fs::create_directory(temporary);
    AnnotationIndex index{origin, {}};
    progress.begin("writing annotation " + name, "shards",
                   static_cast<int64_t>(store.manifest().shards.size()));
    for (int32_t shard = 0; shard < static_cast<int32_t>(store.manifest().shards.size()); ++shard) {
      index.shards.push_back(write_shard(store, shard, temporary, joints_of));
      progress.advance(shard + 1);
    }
    write_index(temporary, index);
    common::publish_file(temporary, folder);
    progress.end();
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    throw;
  }
}

std::vector<std::string> annotation_names(const fs::path& store) {
  std::vector<std::string> names;
  std::error_code failure;
  for (const auto& entry : fs::directory_iterator(store / kFolder, failure)) {
    const std::string name = entry.path().filename().string();
    if (name.front() != '.') names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

struct JointAnnotation::State {
  struct Shard {
    std::string path;
    int descriptor = -1;
    uint64_t offset = 0;  // of the joints in the file
    int64_t frames = 0;
  };
  std::string origin;
  std::vector<Shard> shards;
  ~State() {
    for (const Shard& shard : shards) {
      if (shard.descriptor >= 0) ::close(shard.descriptor);
    }
  }
  void open(const fs::path& path, const AnnotationShard& record);
};

void JointAnnotation::State::open(const fs::path& path, const AnnotationShard& record) {
  const std::string fault = fault_of(path, record);
  if (!fault.empty()) throw InputError(path.string(), fault, "make the annotation again");
  const Hdf5Handle file = open_hdf5_file(path.string());
  const Hdf5Handle joints = open_dataset(file, kFramesJoints, path.string());
  const std::vector<hsize_t> shape = shape_of(joints);
  const haddr_t offset = H5Dget_offset(joints.get());
  const std::vector<hsize_t> expected = {static_cast<hsize_t>(record.frames),
                                         static_cast<hsize_t>(kJointCount), 3};
  if (shape != expected || offset == HADDR_UNDEF) {
    throw InputError(path.string(), "does not hold joints as [frames, 14, 3]",
                     "make the annotation again");
  }
  shards.push_back(
      {path.string(), ::open(path.c_str(), O_RDONLY | O_CLOEXEC), offset, record.frames});
  if (shards.back().descriptor < 0) throw common::system_call_error(path.string(), "open", errno);
}

JointAnnotation::JointAnnotation(const TrackletStore& store, const std::string& name)
    : state_(std::make_unique<State>()) {
  const fs::path folder = folder_of(store.directory(), name);
  const AnnotationIndex index = read_index(folder);
  state_->origin = index.origin;
  const std::vector<ShardRecord>& shards = store.manifest().shards;
  for (size_t i = 0; i < std::max(shards.size(), index.shards.size()); ++i) {
    const bool fits = i < shards.size() && i < index.shards.size() &&
                      index.shards[i].annotates == shards[i].uuid &&
                      index.shards[i].frames == shards[i].frames;
    if (!fits) throw InputError(folder.string(), "belongs to another store");
    state_->open(folder / index.shards[i].file, index.shards[i]);
  }
}

JointAnnotation::~JointAnnotation() = default;
const std::string& JointAnnotation::origin() const { return state_->origin; }

std::vector<Joint> JointAnnotation::read_joints(const StoredTracklet& tracklet,
                                                int64_t frame) const {
  const State::Shard& shard = state_->shards.at(static_cast<size_t>(tracklet.shard));
  const int64_t row = tracklet.first_frame + frame;
  MUSTER_REQUIRE(row, <, shard.frames);
  std::vector<Joint> joints(kJointCount);
  const size_t bytes = joints.size() * sizeof(Joint);
  const auto place = static_cast<off_t>(shard.offset + static_cast<uint64_t>(row) * bytes);
  if (::pread(shard.descriptor, joints.data(), bytes, place) != static_cast<ssize_t>(bytes)) {
    throw common::SystemError(shard.path, "cannot be read at frame " + std::to_string(row));
  }
  return joints;
}

std::vector<std::string> verify_annotations(const fs::path& store) {
  std::vector<std::string> faults;
  for (const std::string& name : annotation_names(store)) {
    const fs::path folder = folder_of(store, name);
    try {
      for (const AnnotationShard& shard : read_index(folder).shards) {
        const std::string fault = fault_of(folder / shard.file, shard);
        if (!fault.empty()) faults.push_back((folder / shard.file).string() + ": " + fault);
      }
    } catch (const common::Error& failure) {
      faults.push_back(failure.what());
    }
  }
  return faults;
}

}  // namespace muster::datastore
