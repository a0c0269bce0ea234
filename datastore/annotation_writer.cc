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
                            const JointsOfFrame& joints_of) {
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

}  // namespace

void write_joint_annotation(const TrackletStore& store, const std::string& name,
                            const std::string& origin, const JointsOfFrame& joints_of,
                            common::ProgressSink& progress) {
  const fs::path folder = annotation_folder(store.directory(), name);
  if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos) {
    throw common::InputError("annotation '" + name + "'", "is no name for a folder",
                             "choose another");
  }
  common::require_new_directory(folder, "choose another name or remove it first");
  common::remove_stale_temporaries(folder);
  common::write_aside(folder, [&](const fs::path& temporary) {
    common::make_directories(temporary);
    AnnotationIndex index{origin, {}};
    progress.begin("writing annotation " + name, "shards",
                   static_cast<int64_t>(store.manifest().shards.size()));
    for (int32_t shard = 0; shard < static_cast<int32_t>(store.manifest().shards.size()); ++shard) {
      index.shards.push_back(write_shard(store, shard, temporary, joints_of));
      progress.advance(shard + 1);
    }
    write_annotation_index(temporary, index);
  });
  progress.end();
}

}  // namespace muster::datastore
