#include "datastore/shard_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "common/atomic_file.h"
#include "common/crc32c.h"
#include "common/error.h"
#include "common/file_descriptor.h"
#include "datastore/hdf5_handle.h"
#include "datastore/shard_reader.h"

namespace muster::datastore {
namespace fs = std::filesystem;

namespace {

constexpr size_t kWriteBytes = 1 << 20;

// JPEG bytes wait here until their number is known: a contiguous dataset cannot grow. The file has
// no name, so nothing is left behind whatever happens.
class Spool {
 public:
  explicit Spool(const fs::path& beside) : name_(beside.string()) {
    const std::string hidden = common::temporary_name_beside(beside).string();
    file_ = common::Descriptor(::open(hidden.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file_.is_open()) throw common::system_call_error(name_, "create", errno);
    ::unlink(hidden.c_str());
  }
  void append(const std::vector<uint8_t>& bytes) {
    waiting_.insert(waiting_.end(), bytes.begin(), bytes.end());
    if (waiting_.size() >= kWriteBytes) flush();
  }
  // Only what was flushed.
  void read(uint64_t offset, std::vector<uint8_t>& block) const {
    const int error = common::read_at(file_, offset, block.data(), block.size());
    if (error != 0) throw common::system_call_error(name_, "read", error);
  }
  void flush() {
    const int error = common::write_at(file_, written_, waiting_.data(), waiting_.size());
    if (error != 0) throw common::system_call_error(name_, "write", error);
    written_ += waiting_.size();
    waiting_.clear();
  }
  uint64_t size() const { return written_ + waiting_.size(); }

 private:
  std::string name_;
  common::Descriptor file_;
  std::vector<uint8_t> waiting_;
  uint64_t written_ = 0;
};

// Rows of a dataset on their way to HDF5, which takes longer for many small writes than for one.
class RowBuffer {
 public:
  // `target` must outlive the buffer.
  void open(const Hdf5Handle* target, hid_t type, const std::string& name) {
    target_ = target;
    type_ = type;
    name_ = name;
  }
  void append(const void* row, size_t bytes) {
    const auto* begin = static_cast<const uint8_t*>(row);
    waiting_.insert(waiting_.end(), begin, begin + bytes);
    ++rows_;
    if (waiting_.size() >= kWriteBytes) flush();
  }
  void flush() {
    if (rows_ > 0) write_rows(*target_, type_, first_, rows_, waiting_.data(), name_);
    first_ += rows_;
    rows_ = 0;
    waiting_.clear();
  }

 private:
  const Hdf5Handle* target_ = nullptr;
  hid_t type_ = H5I_INVALID_HID;
  std::string name_;
  std::vector<uint8_t> waiting_;
  hsize_t first_ = 0, rows_ = 0;
};

}  // namespace

struct ShardWriter::State {
  fs::path path, temporary;
  FrameGeometry geometry;
  int64_t total_tracklets, total_frames;
  std::string ingest_identity;
  Hdf5Handle file, rgb, flow, joints;
  RowBuffer rgb_rows, flow_rows;
  std::unique_ptr<Spool> spool;
  std::vector<uint64_t> jpeg_offset{0};
  std::vector<uint32_t> crc, flow_crc;
  ShardColumns columns;
  uint32_t joints_crc = 0;  // of all joints so far
  int64_t frames = 0;
  bool published = false;

  ~State() {
    if (published) return;
    file = Hdf5Handle();
    ::unlink(temporary.c_str());
  }

  std::string name() const { return path.string(); }
  void append_frame(const EncodedTracklet& tracklet, size_t frame);
  void write_columns();
  void write_jpeg();
  template <typename T>
  void column(const char* name, hid_t file_type, hid_t memory_type, const std::vector<T>& values) {
    const Hdf5Handle dataset = create_dataset(file, name, file_type, {values.size()});
    write_rows(dataset, memory_type, 0, values.size(), values.data(), path.string());
  }
};

ShardWriter::ShardWriter(const fs::path& path, const FrameGeometry& geometry,
                         int64_t total_tracklets, int64_t total_frames,
                         const std::string& ingest_identity) try
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.path = path;
  s.temporary = common::temporary_name_beside(path);
  s.geometry = geometry;
  s.total_tracklets = total_tracklets;
  s.total_frames = total_frames;
  s.ingest_identity = ingest_identity;
  s.file = create_hdf5_file(s.temporary.string());
  create_group(s.file, "/frames");
  create_group(s.file, "/tracklets");
  const auto count = static_cast<hsize_t>(total_frames);
  const auto size = [](int value) { return static_cast<hsize_t>(value); };
  if (geometry.encoding == FrameEncoding::kRaw) {
    s.rgb = create_dataset(s.file, kFramesRgb, H5T_STD_U8LE,
                           {count, size(geometry.height), size(geometry.width), 3});
    s.rgb_rows.open(&s.rgb, H5T_NATIVE_UINT8, s.name());
  } else {
    s.spool = std::make_unique<Spool>(path);
  }
  if (geometry.flow_height > 0) {
    s.flow = create_dataset(s.file, kFramesFlow, H5T_STD_I8LE,
                            {count, size(geometry.flow_height), size(geometry.flow_width), 2});
    s.flow_rows.open(&s.flow, H5T_NATIVE_INT8, s.name());
    write_attribute(s.flow, "scale_factor", kFlowPixelsPerCount);
    write_attribute(s.flow, "add_offset", 0.0);
    write_attribute(s.flow, "units", "pixel/frame at the frame size of this shard");
    write_attribute(s.flow, "components", "horizontal (right positive), vertical (down positive)");
  }
  if (geometry.has_joints) {
    s.joints = create_dataset(s.file, kFramesJoints, H5T_IEEE_F32LE,
                              {count, static_cast<hsize_t>(kJointCount), 3});
  }
} catch (const common::SystemError& failure) {
  throw common::about_final_name(failure, path);
}

ShardWriter::~ShardWriter() = default;

void ShardWriter::State::append_frame(const EncodedTracklet& tracklet, size_t frame) {
  const std::vector<uint8_t>& bytes = tracklet.frames[frame];
  if (geometry.encoding == FrameEncoding::kRaw) {
    MUSTER_REQUIRE(bytes.size(), ==, static_cast<size_t>(geometry.height) * geometry.width * 3);
    rgb_rows.append(bytes.data(), bytes.size());
  } else {
    spool->append(bytes);
    jpeg_offset.push_back(spool->size());
  }
  crc.push_back(common::crc32c(bytes.data(), bytes.size()));
  if (geometry.flow_height > 0) {
    const std::vector<int8_t>& vectors = tracklet.flow[frame];
    MUSTER_REQUIRE(vectors.size(), ==,
                   static_cast<size_t>(geometry.flow_height) * geometry.flow_width * 2);
    flow_rows.append(vectors.data(), vectors.size());
    flow_crc.push_back(common::crc32c(vectors.data(), vectors.size()));
  }
  ++frames;
}

void ShardWriter::append(const EncodedTracklet& tracklet) {
  State& s = *state_;
  const int64_t count = static_cast<int64_t>(tracklet.frames.size());
  MUSTER_REQUIRE(s.frames + count, <=, s.total_frames);
  s.columns.start.push_back(static_cast<uint64_t>(s.frames));
  s.columns.length.push_back(static_cast<uint32_t>(count));
  s.columns.identity.push_back(tracklet.description.identity);
  s.columns.camera.push_back(tracklet.description.camera);
  s.columns.sequence.push_back(tracklet.description.sequence);
  s.columns.role.push_back(tracklet.description.role);
  if (s.geometry.has_joints) {
    MUSTER_REQUIRE(tracklet.joints.size(), ==, tracklet.frames.size() * kJointCount);
    write_rows(s.joints, H5T_NATIVE_FLOAT, static_cast<hsize_t>(s.frames),
               static_cast<hsize_t>(count), tracklet.joints.data(), s.name());
    s.joints_crc = common::crc32c(tracklet.joints.data(), tracklet.joints.size() * sizeof(Joint),
                                  s.joints_crc);
  }
  for (size_t frame = 0; frame < tracklet.frames.size(); ++frame) s.append_frame(tracklet, frame);
}

void ShardWriter::State::write_jpeg() {
  spool->flush();
  const Hdf5Handle dataset = create_dataset(file, kFramesJpeg, H5T_STD_U8LE, {spool->size()});
  constexpr uint64_t kBlockBytes = 8 << 20;
  for (uint64_t offset = 0; offset < spool->size(); offset += kBlockBytes) {
    std::vector<uint8_t> block(std::min<uint64_t>(kBlockBytes, spool->size() - offset));
    spool->read(offset, block);
    write_rows(dataset, H5T_NATIVE_UINT8, offset, block.size(), block.data(), name());
  }
  column(kFramesJpegOffset, H5T_STD_U64LE, H5T_NATIVE_UINT64, jpeg_offset);
}

void ShardWriter::State::write_columns() {
  column(kFramesCrc, H5T_STD_U32LE, H5T_NATIVE_UINT32, crc);
  if (geometry.flow_height > 0) column(kFlowCrc, H5T_STD_U32LE, H5T_NATIVE_UINT32, flow_crc);
  column(kTrackletStart, H5T_STD_U64LE, H5T_NATIVE_UINT64, columns.start);
  column(kTrackletLength, H5T_STD_U32LE, H5T_NATIVE_UINT32, columns.length);
  column(kTrackletIdentity, H5T_STD_I32LE, H5T_NATIVE_INT32, columns.identity);
  column(kTrackletCamera, H5T_STD_I16LE, H5T_NATIVE_INT16, columns.camera);
  column(kTrackletSequence, H5T_STD_I32LE, H5T_NATIVE_INT32, columns.sequence);
  column(kTrackletRole, H5T_STD_I32LE, H5T_NATIVE_INT32, columns.role);
}

std::string ShardWriter::publish(void (*make_way)(const fs::path& path)) try {
  State& s = *state_;
  MUSTER_REQUIRE(s.frames, ==, s.total_frames);
  MUSTER_REQUIRE(static_cast<int64_t>(s.columns.start.size()), ==, s.total_tracklets);
  s.rgb_rows.flush();
  s.flow_rows.flush();
  if (s.geometry.encoding == FrameEncoding::kJpeg) s.write_jpeg();
  s.write_columns();
  const std::string uuid =
      content_uuid(s.columns, s.crc, s.flow_crc, s.joints_crc, s.ingest_identity);
  write_attribute(s.file, "format_version", std::string(kShardFormatVersion));
  write_attribute(s.file, "uuid", uuid);
  write_attribute(s.file, "ingest_identity", s.ingest_identity);
  write_attribute(s.file, "height", static_cast<int64_t>(s.geometry.height));
  write_attribute(s.file, "width", static_cast<int64_t>(s.geometry.width));
  write_attribute(s.file, "complete", static_cast<int64_t>(1));
  check_hdf5(H5Fflush(s.file.get(), H5F_SCOPE_GLOBAL), s.name(), "flushing");
  s.rgb = Hdf5Handle();
  s.flow = Hdf5Handle();
  s.joints = Hdf5Handle();
  s.file.close(s.name());
  common::sync_path(s.temporary);
  ShardReader(s.temporary).verify_content();
  if (make_way != nullptr) make_way(s.path);
  common::publish_file(s.temporary, s.path);
  s.published = true;
  return uuid;
} catch (const common::SystemError& failure) {
  throw common::about_final_name(failure, state_->path);
}

}  // namespace muster::datastore
