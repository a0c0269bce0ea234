#include "datastore/shard_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>

#include "common/crc32c.h"
#include "common/error.h"
#include "common/sha256.h"
#include "datastore/hdf5_handle.h"
#include "datastore/jpeg_codec.h"
#include "datastore/tracklet_role.h"

namespace muster::datastore {
namespace fs = std::filesystem;
using common::InputError;
using common::SystemError;

namespace {

// A payload dataset: its place in the file when it is contiguous, and the handle for when it is
// not.
struct Payload {
  Hdf5Handle dataset;
  haddr_t offset = HADDR_UNDEF;
  uint64_t row_bytes = 0;
  hsize_t rows = 0;
};

Payload open_payload(const Hdf5Handle& file, const std::string& name, const std::string& path) {
  Payload payload;
  payload.dataset = open_dataset(file, name, path);
  const Hdf5Handle type(H5Dget_type(payload.dataset.get()), path, "H5Dget_type");
  const std::vector<hsize_t> shape = shape_of(payload.dataset);
  if (shape.empty()) throw InputError(path, name + " has no rows");
  payload.row_bytes = H5Tget_size(type.get());
  for (size_t axis = 1; axis < shape.size(); ++axis) payload.row_bytes *= shape[axis];
  payload.rows = shape[0];
  payload.offset = H5Dget_offset(payload.dataset.get());
  return payload;
}

template <typename T>
std::vector<T> read_column(const Hdf5Handle& file, const std::string& name, hid_t type,
                           const std::string& path) {
  const Hdf5Handle dataset = open_dataset(file, name, path);
  const std::vector<hsize_t> shape = shape_of(dataset);
  if (shape.size() != 1) throw InputError(path, name + " is not a column");
  std::vector<T> values(shape[0]);
  read_rows(dataset, type, 0, shape[0], values.data(), path);
  return values;
}

}  // namespace

struct ShardReader::State {
  std::string path;
  Hdf5Handle file;
  int descriptor = -1;
  FrameGeometry geometry;
  ShardColumns columns;
  std::string uuid, ingest_identity;
  Payload frames, flow, joints;
  std::vector<uint64_t> jpeg_offset;
  std::vector<uint32_t> crc, flow_crc;
  mutable std::mutex hdf5_mutex;  // for repacked copies only

  ~State() {
    if (descriptor >= 0) ::close(descriptor);
  }
  void open_datasets();
  void check_consistency() const;
  void read(const Payload& payload, hid_t type, uint64_t first_row, uint64_t rows,
            void* target) const;
};

void ShardReader::State::open_datasets() {
  const auto column = [&](auto& values, const char* name, hid_t type) {
    values =
        read_column<typename std::decay_t<decltype(values)>::value_type>(file, name, type, path);
  };
  column(columns.start, kTrackletStart, H5T_NATIVE_UINT64);
  column(columns.length, kTrackletLength, H5T_NATIVE_UINT32);
  column(columns.identity, kTrackletIdentity, H5T_NATIVE_INT32);
  column(columns.camera, kTrackletCamera, H5T_NATIVE_INT16);
  column(columns.sequence, kTrackletSequence, H5T_NATIVE_INT32);
  if (has_dataset(file, kTrackletRole)) {
    column(columns.role, kTrackletRole, H5T_NATIVE_INT32);
  } else {
    columns.role.assign(columns.start.size(), kRoleNone);
  }
  column(crc, kFramesCrc, H5T_NATIVE_UINT32);
  geometry.height = static_cast<int>(read_integer_attribute(file, "height", path));
  geometry.width = static_cast<int>(read_integer_attribute(file, "width", path));
  if (has_dataset(file, kFramesJpeg)) {
    geometry.encoding = FrameEncoding::kJpeg;
    frames = open_payload(file, kFramesJpeg, path);
    column(jpeg_offset, kFramesJpegOffset, H5T_NATIVE_UINT64);
  } else {
    geometry.encoding = FrameEncoding::kRaw;
    frames = open_payload(file, kFramesRgb, path);
  }
  if (has_dataset(file, kFramesFlow)) {
    flow = open_payload(file, kFramesFlow, path);
    const std::vector<hsize_t> shape = shape_of(flow.dataset);
    if (shape.size() != 4 || shape[3] != 2) {
      throw InputError(path, "flow is not [frames, height, width, 2]");
    }
    geometry.flow_height = static_cast<int>(shape[1]);
    geometry.flow_width = static_cast<int>(shape[2]);
    column(flow_crc, kFlowCrc, H5T_NATIVE_UINT32);
  }
  geometry.has_joints = has_dataset(file, kFramesJoints);
  if (geometry.has_joints) {
    joints = open_payload(file, kFramesJoints, path);
    const std::vector<hsize_t> shape = shape_of(joints.dataset);
    if (shape.size() != 3 || shape[1] != kJointCount || shape[2] != 3) {
      throw InputError(path, "joints are not [frames, 14, 3]");
    }
  }
}

void ShardReader::State::check_consistency() const {
  const auto demand = [&](bool holds, const std::string& what) {
    if (!holds) throw InputError(path, "is inconsistent: " + what, "ingest it again");
  };
  const size_t tracklets = columns.start.size(), count = crc.size();
  demand(columns.length.size() == tracklets && columns.identity.size() == tracklets &&
             columns.camera.size() == tracklets && columns.sequence.size() == tracklets &&
             columns.role.size() == tracklets,
         "tracklet columns differ in length");
  for (size_t i = 0; i < tracklets; ++i) {
    demand(columns.start[i] <= count && columns.length[i] <= count - columns.start[i],
           "tracklet " + std::to_string(i) + " points beyond the frames");
  }
  if (geometry.encoding == FrameEncoding::kJpeg) {
    demand(jpeg_offset.size() == count + 1, "jpeg_offset does not fit the frames");
    for (size_t i = 0; i < count; ++i) {
      demand(jpeg_offset[i] <= jpeg_offset[i + 1], "jpeg_offset decreases");
    }
    demand(jpeg_offset.back() <= frames.rows, "jpeg_offset points beyond the data");
  } else {
    demand(frames.rows == count &&
               frames.row_bytes == static_cast<uint64_t>(geometry.height) * geometry.width * 3,
           "rgb does not fit the frames");
  }
  if (geometry.flow_height > 0) {
    demand(flow.rows == count && flow_crc.size() == count, "flow does not fit the frames");
  }
  if (geometry.has_joints) demand(joints.rows == count, "joints do not fit the frames");
}

void ShardReader::State::read(const Payload& payload, hid_t type, uint64_t first_row, uint64_t rows,
                              void* target) const {
  if (payload.offset == HADDR_UNDEF) {
    const std::lock_guard<std::mutex> lock(hdf5_mutex);
    read_rows(payload.dataset, type, first_row, rows, target, path);
    return;
  }
  const uint64_t bytes = rows * payload.row_bytes;
  const uint64_t offset = payload.offset + first_row * payload.row_bytes;
  for (uint64_t done = 0; done < bytes;) {
    const ssize_t count = ::pread(descriptor, static_cast<char*>(target) + done, bytes - done,
                                  static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw common::system_call_error(path, "pread", errno);
    if (count == 0) throw SystemError(path, "is shorter than its header says");
    done += static_cast<uint64_t>(count);
  }
}

ShardReader::ShardReader(const fs::path& path) : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.path = path.string();
  s.file = open_hdf5_file(s.path);
  const std::string version = read_text_attribute(s.file, "format_version", s.path);
  if (version.substr(0, version.find('.')) != "1") {
    throw InputError(s.path, "has shard format " + version + ", this program reads 1.x",
                     "use a newer muster");
  }
  if (read_integer_attribute(s.file, "complete", s.path) != 1) {
    throw InputError(s.path, "was never finished", "run the ingest command again");
  }
  s.uuid = read_text_attribute(s.file, "uuid", s.path);
  s.ingest_identity = read_text_attribute(s.file, "ingest_identity", s.path);
  s.open_datasets();
  s.check_consistency();
  s.descriptor = ::open(s.path.c_str(), O_RDONLY | O_CLOEXEC);
  if (s.descriptor < 0) throw common::system_call_error(s.path, "open", errno);
}

ShardReader::~ShardReader() = default;
const ShardColumns& ShardReader::columns() const { return state_->columns; }
const FrameGeometry& ShardReader::geometry() const { return state_->geometry; }
const std::string& ShardReader::uuid() const { return state_->uuid; }
const std::string& ShardReader::ingest_identity() const { return state_->ingest_identity; }
int64_t ShardReader::frame_count() const { return static_cast<int64_t>(state_->crc.size()); }

std::vector<uint8_t> ShardReader::read_frame_bytes(int64_t frame) const {
  const State& s = *state_;
  MUSTER_REQUIRE(frame, >=, 0);
  MUSTER_REQUIRE(frame, <, frame_count());
  const auto row = static_cast<size_t>(frame);
  std::vector<uint8_t> bytes;
  if (s.geometry.encoding == FrameEncoding::kJpeg) {
    bytes.resize(s.jpeg_offset[row + 1] - s.jpeg_offset[row]);
    s.read(s.frames, H5T_NATIVE_UINT8, s.jpeg_offset[row], bytes.size(), bytes.data());
  } else {
    bytes.resize(s.frames.row_bytes);
    s.read(s.frames, H5T_NATIVE_UINT8, row, 1, bytes.data());
  }
  if (common::crc32c(bytes.data(), bytes.size()) != s.crc[row]) {
    throw SystemError(s.path, "frame " + std::to_string(frame) + " does not match its checksum",
                      "muster store verify tells what else is damaged");
  }
  return bytes;
}

Image ShardReader::read_image(int64_t frame) const {
  std::vector<uint8_t> bytes = read_frame_bytes(frame);
  const State& s = *state_;
  if (s.geometry.encoding == FrameEncoding::kRaw) {
    return Image{s.geometry.height, s.geometry.width, std::move(bytes)};
  }
  return decoded_jpeg(bytes.data(), bytes.size(), s.path + " frame " + std::to_string(frame));
}

std::vector<int8_t> ShardReader::read_flow(int64_t frame) const {
  const State& s = *state_;
  MUSTER_REQUIRE(s.geometry.flow_height, >, 0);
  MUSTER_REQUIRE(frame, >=, 0);
  MUSTER_REQUIRE(frame, <, frame_count());
  std::vector<int8_t> vectors(s.flow.row_bytes);
  s.read(s.flow, H5T_NATIVE_INT8, static_cast<uint64_t>(frame), 1, vectors.data());
  if (common::crc32c(vectors.data(), vectors.size()) != s.flow_crc[static_cast<size_t>(frame)]) {
    throw SystemError(s.path,
                      "flow of frame " + std::to_string(frame) + " does not match its checksum",
                      "muster store verify tells what else is damaged");
  }
  return vectors;
}

std::vector<Joint> ShardReader::read_joints(int64_t frame) const {
  MUSTER_REQUIRE(state_->geometry.has_joints, ==, true);
  std::vector<Joint> joints(kJointCount);
  state_->read(state_->joints, H5T_NATIVE_FLOAT, static_cast<uint64_t>(frame), 1, joints.data());
  return joints;
}

void ShardReader::verify_content() const {
  for (int64_t frame = 0; frame < frame_count(); ++frame) {
    read_frame_bytes(frame);
    if (state_->geometry.flow_height > 0) read_flow(frame);
  }
  verify_index();
}

void ShardReader::verify_index() const {
  const State& s = *state_;
  uint32_t joints_crc = 0;
  for (int64_t frame = 0; s.geometry.has_joints && frame < frame_count(); ++frame) {
    const std::vector<Joint> joints = read_joints(frame);
    joints_crc = common::crc32c(joints.data(), joints.size() * sizeof(Joint), joints_crc);
  }
  if (content_uuid(s.columns, s.crc, s.flow_crc, joints_crc, s.ingest_identity) != s.uuid) {
    throw SystemError(s.path, "columns or joints do not match the shard's uuid");
  }
}

std::vector<ByteRange> ShardReader::payload_ranges() const {
  std::vector<ByteRange> ranges;
  for (const Payload* payload : {&state_->frames, &state_->flow}) {
    if (payload->offset == HADDR_UNDEF || payload->rows == 0) continue;
    ranges.push_back({payload->offset, payload->rows * payload->row_bytes});
  }
  std::sort(ranges.begin(), ranges.end(),
            [](const ByteRange& a, const ByteRange& b) { return a.offset < b.offset; });
  return ranges;
}

bool ShardReader::is_repacked() const {
  const State& s = *state_;
  return s.frames.offset == HADDR_UNDEF ||
         (s.geometry.flow_height > 0 && s.flow.offset == HADDR_UNDEF);
}

std::string content_uuid(const ShardColumns& columns, const std::vector<uint32_t>& frame_crc,
                         const std::vector<uint32_t>& flow_crc, uint32_t joints_crc,
                         const std::string& ingest_identity) {
  common::Sha256 hash;
  const auto add = [&](const auto& values) {
    hash.update(values.data(), values.size() * sizeof(values[0]));
  };
  add(frame_crc);
  add(flow_crc);
  add(columns.start);
  add(columns.length);
  add(columns.identity);
  add(columns.camera);
  add(columns.sequence);
  add(columns.role);
  hash.update(&joints_crc, sizeof(joints_crc));
  hash.update(ingest_identity);
  const std::string digest = hash.finish();
  return digest.substr(0, 8) + "-" + digest.substr(8, 4) + "-" + digest.substr(12, 4) + "-" +
         digest.substr(16, 4) + "-" + digest.substr(20, 12);
}

}  // namespace muster::datastore
