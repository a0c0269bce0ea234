#include "datastore/shard_reader.h"

#include <algorithm>

#include "common/crc32c.h"
#include "common/error.h"
#include "datastore/frame_marks.h"
#include "datastore/jpeg_codec.h"
#include "datastore/shard_contents.h"

namespace muster::datastore {
namespace fs = std::filesystem;
using common::SystemError;

namespace {

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

// The checksums of one payload, and which rows have been tested against them.
class RowChecks {
 public:
  // `name` is "frame" or the like. What is referred to must outlive this object.
  RowChecks(const std::string& shard, std::string name, const std::vector<uint32_t>& crc)
      : shard_(shard), name_(std::move(name)), crc_(crc) {
    trusted_.resize(crc.size());
  }
  bool trusts(size_t row) const { return trusted_.has(row); }
  void trust(size_t row) const { trusted_.set(row); }
  // Throws SystemError naming shard and row.
  void test(size_t row, const void* bytes, size_t count) const {
    if (common::crc32c(bytes, count) == crc_[row]) return;
    throw SystemError(shard_, name_ + " " + std::to_string(row) + " does not match its checksum",
                      "muster store verify tells what else is damaged");
  }

 private:
  const std::string& shard_;
  const std::string name_;
  const std::vector<uint32_t>& crc_;
  mutable FrameMarks trusted_;
};

}  // namespace

struct ShardReader::State {
  const ShardContents shard;
  const RowChecks frame_checks{shard.path, "frame", shard.crc};
  const RowChecks flow_checks{shard.path, "flow of frame", shard.flow_crc};

  size_t row_of(int64_t frame) const;
  void require_rows(int64_t first, const std::vector<int32_t>& rows) const;
  void read_jpeg_run(size_t first_row, size_t count, uint8_t* rgb) const;
  void read_checked_rows(const ShardPayload& payload, const RowChecks& checks, int64_t first,
                         const std::vector<int32_t>& frames, uint8_t* target) const;
};

ShardReader::ShardReader(const fs::path& path) : state_(new State{read_shard_contents(path)}) {}
ShardReader::~ShardReader() = default;
const ShardColumns& ShardReader::columns() const { return state_->shard.columns; }
const FrameGeometry& ShardReader::geometry() const { return state_->shard.geometry; }
const std::string& ShardReader::uuid() const { return state_->shard.uuid; }
const std::string& ShardReader::ingest_identity() const { return state_->shard.ingest_identity; }
int64_t ShardReader::frame_count() const { return static_cast<int64_t>(state_->shard.crc.size()); }

bool ShardReader::is_repacked() const {
  const ShardContents& shard = state_->shard;
  return !shard.frames.is_contiguous() || (shard.has_flow() && !shard.flow.is_contiguous()) ||
         (shard.geometry.has_joints && !shard.joints.is_contiguous());
}

size_t ShardReader::State::row_of(int64_t frame) const {
  MUSTER_REQUIRE(frame, >=, 0);
  MUSTER_REQUIRE(frame, <, static_cast<int64_t>(shard.crc.size()));
  return static_cast<size_t>(frame);
}

void ShardReader::State::require_rows(int64_t first, const std::vector<int32_t>& rows) const {
  for (const int32_t row : rows) row_of(first + row);
}

std::vector<uint8_t> ShardReader::read_frame_bytes(int64_t frame) const {
  const ShardContents& shard = state_->shard;
  const size_t row = state_->row_of(frame);
  std::vector<uint8_t> bytes(shard.frame_bytes(row));
  if (shard.is_jpeg()) {
    shard.frames.read(shard.jpeg_offset[row], bytes.size(), bytes.data());
  } else {
    shard.frames.read(row, 1, bytes.data());
  }
  state_->frame_checks.test(row, bytes.data(), bytes.size());
  return bytes;
}

Image ShardReader::read_image(int64_t frame) const {
  std::vector<uint8_t> bytes = read_frame_bytes(frame);
  const ShardContents& shard = state_->shard;
  if (!shard.is_jpeg()) {
    return Image{shard.geometry.height, shard.geometry.width, std::move(bytes)};
  }
  return decoded_jpeg(bytes.data(), bytes.size(), shard.path + " frame " + std::to_string(frame));
}

std::vector<int8_t> ShardReader::read_flow(int64_t frame) const {
  const ShardContents& shard = state_->shard;
  MUSTER_REQUIRE(shard.has_flow(), ==, true);
  const size_t row = state_->row_of(frame);
  std::vector<int8_t> vectors(shard.flow.row_bytes());
  shard.flow.read(row, 1, vectors.data());
  state_->flow_checks.test(row, vectors.data(), vectors.size());
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
  const uint64_t begin = shard.jpeg_offset[first_row];
  const uint64_t bytes = shard.jpeg_offset[first_row + count] - begin;
  if (files.size() < bytes) files.resize(bytes);
  shard.frames.read(begin, bytes, files.data());
  const int height = shard.geometry.height, width = shard.geometry.width;
  const size_t picture = static_cast<size_t>(height) * width * 3;
  for (size_t row = first_row; row < first_row + count; ++row, rgb += picture) {
    const uint8_t* file_bytes = files.data() + (shard.jpeg_offset[row] - begin);
    const bool known = frame_checks.trusts(row);
    if (!known) frame_checks.test(row, file_bytes, shard.frame_bytes(row));
    if (!decode_jpeg_into(file_bytes, shard.frame_bytes(row), height, width, known, rgb)) {
      throw SystemError(shard.path,
                        "frame " + std::to_string(row) + " is no JPEG picture of " +
                            std::to_string(height) + "x" + std::to_string(width) + " pixels",
                        "ingest it again");
    }
    if (!known) frame_checks.trust(row);
  }
}

void ShardReader::State::read_checked_rows(const ShardPayload& payload, const RowChecks& checks,
                                           int64_t first, const std::vector<int32_t>& frames,
                                           uint8_t* target) const {
  for_each_run(frames, [&](size_t begin, size_t end) {
    const auto first_row = static_cast<size_t>(first + frames[begin]);
    uint8_t* bytes = target + begin * payload.row_bytes();
    payload.read(first_row, end - begin, bytes);
    for (size_t row = first_row; row < first_row + (end - begin);
         ++row, bytes += payload.row_bytes()) {
      if (checks.trusts(row)) continue;
      checks.test(row, bytes, payload.row_bytes());
      checks.trust(row);
    }
  });
}

void ShardReader::read_images_into(int64_t first, const std::vector<int32_t>& frames,
                                   uint8_t* rgb) const {
  const State& s = *state_;
  s.require_rows(first, frames);
  if (!s.shard.is_jpeg()) {
    s.read_checked_rows(s.shard.frames, s.frame_checks, first, frames, rgb);
    return;
  }
  const FrameGeometry& geometry = s.shard.geometry;
  const size_t picture = static_cast<size_t>(geometry.height) * geometry.width * 3;
  for_each_run(frames, [&](size_t begin, size_t end) {
    s.read_jpeg_run(static_cast<size_t>(first + frames[begin]), end - begin, rgb + begin * picture);
  });
}

void ShardReader::read_flow_into(int64_t first, const std::vector<int32_t>& frames,
                                 int8_t* flow) const {
  const State& s = *state_;
  MUSTER_REQUIRE(s.shard.has_flow(), ==, true);
  s.require_rows(first, frames);
  s.read_checked_rows(s.shard.flow, s.flow_checks, first, frames, reinterpret_cast<uint8_t*>(flow));
}

void ShardReader::read_joints_into(int64_t first, const std::vector<int32_t>& frames,
                                   Joint* joints) const {
  const ShardContents& shard = state_->shard;
  MUSTER_REQUIRE(shard.geometry.has_joints, ==, true);
  state_->require_rows(first, frames);
  for_each_run(frames, [&](size_t begin, size_t end) {
    shard.joints.read(static_cast<uint64_t>(first + frames[begin]), end - begin,
                      joints + begin * kJointCount);
  });
}

void ShardReader::verify_content() const {
  for (int64_t frame = 0; frame < frame_count(); ++frame) {
    read_frame_bytes(frame);
    if (state_->shard.has_flow()) read_flow(frame);
  }
  verify_index();
}

void ShardReader::verify_index() const {
  const ShardContents& shard = state_->shard;
  uint32_t joints_crc = 0;
  for (int64_t frame = 0; shard.geometry.has_joints && frame < frame_count(); ++frame) {
    const std::vector<Joint> joints = read_joints(frame);
    joints_crc = common::crc32c(joints.data(), joints.size() * sizeof(Joint), joints_crc);
  }
  if (content_uuid(shard.columns, shard.crc, shard.flow_crc, joints_crc, shard.ingest_identity) !=
      shard.uuid) {
    throw SystemError(shard.path, "columns or joints do not match the shard's uuid");
  }
}

std::vector<ByteRange> ShardReader::payload_ranges() const {
  std::vector<ByteRange> ranges;
  for (const ShardPayload* payload : {&state_->shard.frames, &state_->shard.flow}) {
    if (payload->rows() == 0 || !payload->is_contiguous()) continue;
    ranges.push_back({payload->offset(), payload->rows() * payload->row_bytes()});
  }
  std::sort(ranges.begin(), ranges.end(),
            [](const ByteRange& a, const ByteRange& b) { return a.offset < b.offset; });
  return ranges;
}

}  // namespace muster::datastore
