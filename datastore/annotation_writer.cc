#include "datastore/annotation_writer.h"

#include <algorithm>

#include "common/atomic_file.h"
#include "common/error.h"
#include "datastore/annotation_index.h"
#include "datastore/finite_joints.h"
#include "datastore/hdf5_handle.h"
#include "datastore/shard_format.h"

namespace muster::datastore {
namespace fs = std::filesystem;

namespace {

// The tracklets of one shard of the store, in order.
AnnotationShard write_shard(const TrackletStore& store, int32_t number, const fs::path& folder,
                            const JointsOfFrame& joints_of, const std::function<void()>& count) {
  const ShardRecord& record = store.manifest().shards[static_cast<size_t>(number)];
  const fs::path path = folder / record.file;
  Hdf5Handle file = create_hdf5_file(path.string());
  create_group(file, "/frames");
  Hdf5Handle joints =
      create_dataset(file, kFramesJoints, H5T_IEEE_F32LE,
                     {static_cast<hsize_t>(record.frames), static_cast<hsize_t>(kJointCount), 3});
  for (const StoredTracklet& tracklet : store.tracklets()) {
    if (tracklet.shard != number) continue;
    std::vector<Joint> rows;
    for (int64_t frame = 0; frame < tracklet.length; ++frame) {
      const std::vector<Joint> found = joints_of(tracklet, frame);
      MUSTER_REQUIRE(found.size(), ==, static_cast<size_t>(kJointCount));
      if (!std::all_of(found.begin(), found.end(), is_finite)) {
        throw common::InputError(
            "joints of identity " + std::to_string(tracklet.identity) + " under camera " +
                std::to_string(tracklet.camera) + ", frame " + std::to_string(frame + 1),
            "are not all finite", "give an unknown joint confidence 0 and any place");
      }
      rows.insert(rows.end(), found.begin(), found.end());
      count();
    }
    write_rows(joints, H5T_NATIVE_FLOAT, static_cast<hsize_t>(tracklet.first_frame),
               static_cast<hsize_t>(tracklet.length), rows.data(), path.string());
  }
  write_attribute(file, "format_version", std::string(kShardFormatVersion));
  write_attribute(file, "annotates", record.uuid);
  write_attribute(file, "complete", static_cast<int64_t>(1));
  joints = Hdf5Handle();
  file.close(path.string());
  common::sync_path(path);
  return {record.file, record.uuid, fs::file_size(path), crc32c_outside(path, {}), record.frames};
}

// The whole annotation.
void write_folder(const TrackletStore& store, const fs::path& folder, const std::string& name,
                  const std::string& origin, const JointsOfFrame& joints_of,
                  common::ProgressSink& progress) {
  common::make_directories(folder);
  AnnotationIndex index{origin, {}};
  progress.begin("writing annotation " + name, "frames", store.manifest().frames);
  int64_t frames = 0;
  const auto count = [&] { progress.advance(++frames); };
  for (int32_t shard = 0; shard < static_cast<int32_t>(store.manifest().shards.size()); ++shard) {
    index.shards.push_back(write_shard(store, shard, folder, joints_of, count));
  }
  write_annotation_index(folder, index);
  progress.end();
}

// Removes the annotation that stands at `folder`, or puts it back if `publish` throws. A process
// that dies in between leaves it under a hidden name and the store without it.
void replace_annotation(const fs::path& folder, const std::function<void()>& publish) {
  const fs::path old = common::temporary_name_beside(folder);
  std::error_code failure, ignored;
  fs::rename(folder, old, failure);
  if (failure) throw common::SystemError(folder.string(), failure.message());
  try {
    publish();
  } catch (...) {
    fs::rename(old, folder, ignored);
    throw;
  }
  fs::remove_all(old, ignored);
}

}  // namespace

void write_joint_annotation(const TrackletStore& store, const std::string& name,
                            const std::string& origin, const JointsOfFrame& joints_of,
                            common::ProgressSink& progress, TakenName taken) {
  const fs::path folder = annotation_folder(store.directory(), name);
  constexpr size_t kLongestName = 100;  // bytes: temporary names beside it are longer
  if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos ||
      name.size() > kLongestName) {
    throw common::InputError("annotation '" + name + "'", "is no name for a folder",
                             "choose another of at most 100 bytes");
  }
  std::error_code ignored;
  const bool replaces = taken == TakenName::kReplace && fs::is_directory(folder, ignored);
  if (!replaces) {
    common::require_new_directory(folder, "choose another name or remove it first");
  }
  common::remove_stale_temporaries(folder);
  const fs::path temporary = common::temporary_name_beside(folder);
  try {
    write_folder(store, temporary, name, origin, joints_of, progress);
    const auto publish = [&] { common::publish_file(temporary, folder); };
    if (replaces) {
      replace_annotation(folder, publish);
    } else {
      publish();
    }
  } catch (const common::SystemError& failure) {
    fs::remove_all(temporary, ignored);
    throw common::about_final_name(failure, folder);
  } catch (...) {
    fs::remove_all(temporary, ignored);
    throw;
  }
}

}  // namespace muster::datastore
