#include "datastore/shard_contents.h"

#include "common/error.h"
#include "datastore/hdf5_handle.h"
#include "datastore/image.h"
#include "datastore/tracklet_role.h"

namespace muster::datastore {
namespace fs = std::filesystem;
using common::InputError;

namespace {

template <typename T>
void read_column(const Hdf5Handle& file, const std::string& name, hid_t type,
                 const std::string& path, std::vector<T>& values) {
  const Hdf5Handle dataset = open_dataset(file, name, path);
  const std::vector<hsize_t> shape = shape_of(dataset);
  if (shape.size() != 1) throw InputError(path, name + " is not a column");
  if (shape[0] > INT32_MAX) throw InputError(path, name + " has more rows than a shard can have");
  values.resize(shape[0]);
  read_rows(dataset, type, 0, shape[0], values.data(), path);
}

int read_side(const Hdf5Handle& file, const std::string& name, const std::string& path) {
  const int64_t pixels = read_integer_attribute(file, name, path);
  if (pixels < 1 || pixels > kMostPixelsAcross) {
    throw InputError(
        path, "attribute '" + name + "' is " + std::to_string(pixels) + ", which no frame measures",
        "ingest it again");
  }
  return static_cast<int>(pixels);
}

void demand_finished(const Hdf5Handle& file, const std::string& path) {
  const std::string version = read_text_attribute(file, "format_version", path);
  if (version.substr(0, version.find('.')) != "1") {
    throw InputError(path, "has shard format " + version + ", this program reads 1.x",
                     "use a newer muster");
  }
  if (read_integer_attribute(file, "complete", path) != 1) {
    throw InputError(path, "was never finished", "run the ingest command again");
  }
}

ShardColumns read_columns(const Hdf5Handle& file, const std::string& path) {
  ShardColumns columns;
  read_column(file, kTrackletStart, H5T_NATIVE_UINT64, path, columns.start);
  read_column(file, kTrackletLength, H5T_NATIVE_UINT32, path, columns.length);
  read_column(file, kTrackletIdentity, H5T_NATIVE_INT32, path, columns.identity);
  read_column(file, kTrackletCamera, H5T_NATIVE_INT16, path, columns.camera);
  read_column(file, kTrackletSequence, H5T_NATIVE_INT32, path, columns.sequence);
  if (has_dataset(file, kTrackletRole)) {
    read_column(file, kTrackletRole, H5T_NATIVE_INT32, path, columns.role);
  } else {
    columns.role.assign(columns.start.size(), kRoleNone);
  }
  return columns;
}

void open_payloads(const Hdf5Handle& file, ShardContents& shard) {
  FrameGeometry& geometry = shard.geometry;
  const std::string& path = shard.path;
  geometry.height = read_side(file, "height", path);
  geometry.width = read_side(file, "width", path);
  if (has_dataset(file, kFramesJpeg)) {
    geometry.encoding = FrameEncoding::kJpeg;
    shard.frames = ShardPayload(file, kFramesJpeg, H5T_NATIVE_UINT8, {0}, path);
    read_column(file, kFramesJpegOffset, H5T_NATIVE_UINT64, path, shard.jpeg_offset);
  } else {
    geometry.encoding = FrameEncoding::kRaw;
    const auto height = static_cast<hsize_t>(geometry.height);
    const auto width = static_cast<hsize_t>(geometry.width);
    shard.frames = ShardPayload(file, kFramesRgb, H5T_NATIVE_UINT8, {0, height, width, 3}, path);
  }
  if (has_dataset(file, kFramesFlow)) {
    shard.flow = ShardPayload(file, kFramesFlow, H5T_NATIVE_INT8, {0, 0, 0, 2}, path);
    geometry.flow_height = static_cast<int>(shard.flow.shape()[1]);
    geometry.flow_width = static_cast<int>(shard.flow.shape()[2]);
    read_column(file, kFlowCrc, H5T_NATIVE_UINT32, path, shard.flow_crc);
  }
  geometry.has_joints = has_dataset(file, kFramesJoints);
  if (geometry.has_joints) {
    shard.joints = ShardPayload(file, kFramesJoints, H5T_NATIVE_FLOAT, {0, kJointCount, 3}, path);
  }
}

void check_consistency(const ShardContents& shard) {
  const auto demand = [&](bool holds, const std::string& what) {
    if (!holds) throw InputError(shard.path, "is inconsistent: " + what, "ingest it again");
  };
  const ShardColumns& columns = shard.columns;
  const size_t tracklets = columns.start.size(), count = shard.crc.size();
  demand(columns.length.size() == tracklets && columns.identity.size() == tracklets &&
             columns.camera.size() == tracklets && columns.sequence.size() == tracklets &&
             columns.role.size() == tracklets,
         "tracklet columns differ in length");
  for (size_t i = 0; i < tracklets; ++i) {
    demand(columns.start[i] <= count && columns.length[i] <= count - columns.start[i],
           "tracklet " + std::to_string(i) + " points beyond the frames");
    demand(columns.length[i] > 0, "tracklet " + std::to_string(i) + " has no frames");
  }
  if (shard.is_jpeg()) {
    demand(shard.jpeg_offset.size() == count + 1, "jpeg_offset does not fit the frames");
    for (size_t i = 0; i < count; ++i) {
      demand(shard.jpeg_offset[i] <= shard.jpeg_offset[i + 1], "jpeg_offset decreases");
    }
    demand(shard.jpeg_offset.back() <= shard.frames.rows(), "jpeg_offset points beyond the data");
  } else {
    demand(shard.frames.rows() == count, "rgb does not fit the frames");
  }
  if (shard.has_flow()) {
    demand(shard.flow.rows() == count && shard.flow_crc.size() == count,
           "flow does not fit the frames");
  }
  if (shard.geometry.has_joints) {
    demand(shard.joints.rows() == count, "joints do not fit the frames");
  }
}

}  // namespace

void demand_readable_format(const fs::path& path) {
  demand_finished(open_hdf5_file(path.string()), path.string());
}

ShardContents read_shard_contents(const fs::path& path) {
  ShardContents shard;
  shard.path = path.string();
  const Hdf5Handle file = open_hdf5_file(shard.path);
  demand_finished(file, shard.path);
  shard.uuid = read_text_attribute(file, "uuid", shard.path);
  shard.ingest_identity = read_text_attribute(file, "ingest_identity", shard.path);
  shard.columns = read_columns(file, shard.path);
  read_column(file, kFramesCrc, H5T_NATIVE_UINT32, shard.path, shard.crc);
  open_payloads(file, shard);
  check_consistency(shard);
  return shard;
}

}  // namespace muster::datastore
