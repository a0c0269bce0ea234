#include "datastore/shard_reader.h"

#include <algorithm>

#include "common/crc32c.h"
#include "common/error.h"
#include "common/sha256.h"
#include "datastore/frame_marks.h"
#include "datastore/hdf5_handle.h"
#include "datastore/jpeg_codec.h"
#include "datastore/shard_payload.h"
#include "datastore/tracklet_role.h"

namespace muster::datastore {
namespace fs = std::filesystem;
using common::InputError;
using common::SystemError;

namespace {

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

// Visits [begin, end) of every run of consecutive numbers in `frames`.
template <typename Visit>
void for_each_run(const std::vector<int32_t>& frames, Visit visit) {
  for (size_t begin = 0; begin < frames.size();) {
    size_t end = begin + 1;
    while (end < frames.size() && frames[end] == frames[end - 1] + 1) ++end;
    visit(begin, end);
    begin = end;
  }
}

}  // namespace

struct ShardReader::State {
  std::string path;
  Hdf5Handle file;
  FrameGeometry geometry;
  ShardColumns columns;
  std::string uuid, ingest_identity;
  ShardPayload frames, flow, joints;
  std::vector<uint64_t> jpeg_offset;
  std::vector<uint32_t> crc, flow_crc;
  mutable FrameMarks trusted, flow_trusted;  // whose checksum has been tested

  void open_datasets();
  void check_consistency() const;
  void check_frame(size_t row, const uint8_t* bytes) const;
  void check_flow(size_t row, const int8_t* vectors) const;
  void require_rows(int64_t first, const std::vector<int32_t>& rows) const;
  void read_jpeg_run(size_t first_row, size_t count, uint8_t* rgb) const;
  size_t frame_bytes(size_t row) const {
    return geometry.encoding == FrameEncoding::kJpeg ? jpeg_offset[row + 1] - jpeg_offset[row]
                                                     : frames.row_bytes();
  }
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
    frames = ShardPayload(file, kFramesJpeg, 1, path);
    column(jpeg_offset, kFramesJpegOffset, H5T_NATIVE_UINT64);
  } else {
    geometry.encoding = FrameEncoding::kRaw;
    frames = ShardPayload(file, kFramesRgb, 1, path);
  }
  if (has_dataset(file, kFramesFlow)) {
    flow = ShardPayload(file, kFramesFlow, 1, path);
    const std::vector<hsize_t> shape = flow.shape();
    if (shape.size() != 4 || shape[3] != 2) {
      throw InputError(path, "flow is not [frames, height, width, 2]");
    }
    geometry.flow_height = static_cast<int>(shape[1]);
    geometry.flow_width = static_cast<int>(shape[2]);
    column(flow_crc, kFlowCrc, H5T_NATIVE_UINT32);
  }
  geometry.has_joints = has_dataset(file, kFramesJoints);
  if (geometry.has_joints) {
    joints = ShardPayload(file, kFramesJoints, 4, path);
    const std::vector<hsize_t> shape = joints.shape();
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
    demand(columns.length[i] > 0, "tracklet " + std::to_string(i) + " has no frames");
  }
  if (geometry.encoding == FrameEncoding::kJpeg) {
    demand(jpeg_offset.size() == count + 1, "jpeg_offset does not fit the frames");
    for (size_t i = 0; i < count; ++i) {
      demand(jpeg_offset[i] <= jpeg_offset[i + 1], "jpeg_offset decreases");
    }
    demand(jpeg_offset.back() <= frames.rows(), "jpeg_offset points beyond the data");
  } else {
    demand(frames.rows() == count &&
               frames.row_bytes() == static_cast<uint64_t>(geometry.height) * geometry.width * 3,
           "rgb does not fit the frames");
  }
  if (geometry.flow_height > 0) {
    demand(flow.rows() == count && flow_crc.size() == count, "flow does not fit the frames");
  }
  if (geometry.has_joints) demand(joints.rows() == count, "joints do not fit the frames");
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
  s.trusted.resize(s.crc.size());
  s.flow_trusted.resize(s.flow_crc.size());
}

ShardReader::~ShardReader() = default;
const ShardColumns& ShardReader::columns() const { return state_->columns; }
const FrameGeometry& ShardReader::geometry() const { return state_->geometry; }
const std::string& ShardReader::uuid() const { return state_->uuid; }
const std::string& ShardReader::ingest_identity() const { return state_->ingest_identity; }
int64_t ShardReader::frame_count() const { return static_cast<int64_t>(state_->crc.size()); }

bool ShardReader::is_repacked() const {
  const State& s = *state_;
  return !s.frames.is_contiguous() || (s.geometry.flow_height > 0 && !s.flow.is_contiguous()) ||
         (s.geometry.has_joints && !s.joints.is_contiguous());
}

void ShardReader::State::check_frame(size_t row, const uint8_t* bytes) const {
  if (common::crc32c(bytes, frame_bytes(row)) == crc[row]) return;
  throw SystemError(path, "frame " + std::to_string(row) + " does not match its checksum",
                    "muster store verify tells what else is damaged");
}

void ShardReader::State::check_flow(size_t row, const int8_t* vectors) const {
  if (common::crc32c(vectors, flow.row_bytes()) == flow_crc[row]) return;
  throw SystemError(path, "flow of frame " + std::to_string(row) + " does not match its checksum",
                    "muster store verify tells what else is damaged");
}

void ShardReader::State::require_rows(int64_t first, const std::vector<int32_t>& rows) const {
  for (const int32_t row : rows) {
    MUSTER_REQUIRE(first + row, >=, 0);
    MUSTER_REQUIRE(first + row, <, static_cast<int64_t>(crc.size()));
  }
}

std::vector<uint8_t> ShardReader::read_frame_bytes(int64_t frame) const {
  const State& s = *state_;
  MUSTER_REQUIRE(frame, >=, 0);
  MUSTER_REQUIRE(frame, <, frame_count());
  const auto row = static_cast<size_t>(frame);
  std::vector<uint8_t> bytes(s.frame_bytes(row));
  if (s.geometry.encoding == FrameEncoding::kJpeg) {
    s.frames.read(s.jpeg_offset[row], bytes.size(), bytes.data());
  } else {
    s.frames.read(row, 1, bytes.data());
  }
  s.check_frame(row, bytes.data());
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
  std::vector<int8_t> vectors(s.flow.row_bytes());
  s.flow.read(static_cast<uint64_t>(frame), 1, vectors.data());
  s.check_flow(static_cast<size_t>(frame), vectors.data());
  return vectors;
}

std::vector<Joint> ShardReader::read_joints(int64_t frame) const {
  std::vector<Joint> joints(kJointCount);
  read_joints_into(frame, {0}, joints.data());
  return joints;
}

// Files that lie one behind the other come by one read; each is decoded in its place.
void ShardReader::State::read_jpeg_run(size_t first_row, size_t count, uint8_t* rgb) const {
  thread_local std::vector<uint8_t> files;
  const uint64_t begin = jpeg_offset[first_row], bytes = jpeg_offset[first_row + count] - begin;
  if (files.size() < bytes) files.resize(bytes);
  frames.read(begin, bytes, files.data());
  const size_t picture = static_cast<size_t>(geometry.height) * geometry.width * 3;
  for (size_t row = first_row; row < first_row + count; ++row, rgb += picture) {
    const uint8_t* file_bytes = files.data() + (jpeg_offset[row] - begin);
    const bool known = trusted.has(row);
    if (!known) check_frame(row, file_bytes);
    if (!decode_jpeg_into(file_bytes, frame_bytes(row), geometry.height, geometry.width, known,
                          rgb)) {
      throw SystemError(path,
                        "frame " + std::to_string(row) + " is no JPEG picture of " +
                            std::to_string(geometry.height) + "x" + std::to_string(geometry.width) +
                            " pixels",
                        "ingest it again");
    }
    if (!known) trusted.set(row);
  }
}

void ShardReader::read_images_into(int64_t first, const std::vector<int32_t>& frames,
                                   uint8_t* rgb) const {
  const State& s = *state_;
  s.require_rows(first, frames);
  const size_t picture = static_cast<size_t>(s.geometry.height) * s.geometry.width * 3;
  for_each_run(frames, [&](size_t begin, size_t end) {
    const auto first_row = static_cast<size_t>(first + frames[begin]);
    uint8_t* target = rgb + begin * picture;
    if (s.geometry.encoding == FrameEncoding::kJpeg) {
      s.read_jpeg_run(first_row, end - begin, target);
      return;
    }
    s.frames.read(first_row, end - begin, target);
    for (size_t row = first_row; row < first_row + (end - begin); ++row, target += picture) {
      if (s.trusted.has(row)) continue;
      s.check_frame(row, target);
      s.trusted.set(row);
    }
  });
}

void ShardReader::read_flow_into(int64_t first, const std::vector<int32_t>& frames,
                                 int8_t* flow) const {
  const State& s = *state_;
  MUSTER_REQUIRE(s.geometry.flow_height, >, 0);
  s.require_rows(first, frames);
  for_each_run(frames, [&](size_t begin, size_t end) {
    const auto first_row = static_cast<size_t>(first + frames[begin]);
    int8_t* target = flow + begin * s.flow.row_bytes();
    s.flow.read(first_row, end - begin, target);
    for (size_t row = first_row; row < first_row + (end - begin);
         ++row, target += s.flow.row_bytes()) {
      if (s.flow_trusted.has(row)) continue;
      s.check_flow(row, target);
      s.flow_trusted.set(row);
    }
  });
}

void ShardReader::read_joints_into(int64_t first, const std::vector<int32_t>& frames,
                                   Joint* joints) const {
  const State& s = *state_;
  MUSTER_REQUIRE(s.geometry.has_joints, ==, true);
  s.require_rows(first, frames);
  for_each_run(frames, [&](size_t begin, size_t end) {
    s.joints.read(static_cast<uint64_t>(first + frames[begin]), end - begin,
                  joints + begin * kJointCount);
  });
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
  for (const ShardPayload* payload : {&state_->frames, &state_->flow}) {
    if (payload->rows() == 0 || !payload->is_contiguous()) continue;
    ranges.push_back({payload->offset(), payload->rows() * payload->row_bytes()});
  }
  std::sort(ranges.begin(), ranges.end(),
            [](const ByteRange& a, const ByteRange& b) { return a.offset < b.offset; });
  return ranges;
}

}  // namespace muster::datastore
