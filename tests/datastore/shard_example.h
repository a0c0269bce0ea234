// A small shard, and HDF5's own view of it.
#pragma once

#include <hdf5.h>

#include "datastore/jpeg_codec.h"
#include "datastore/shard_writer.h"
#include "tests/datastore/small_store.h"

namespace muster::datastore {

constexpr int kHeight = 20, kWidth = 12, kFlowHeight = 5, kFlowWidth = 4;

inline FrameGeometry example_geometry(FrameEncoding encoding) {
  return {kHeight, kWidth, kFlowHeight, kFlowWidth, true, encoding};
}

inline EncodedTracklet example_tracklet(int number, int frames, FrameEncoding encoding) {
  EncodedTracklet result;
  result.description = {100 + number, static_cast<int16_t>(number), 7 * number, frames, "t"};
  for (int frame = 0; frame < frames; ++frame) {
    const Image image = waves(kHeight, kWidth, number, frame);
    result.frames.push_back(encoding == FrameEncoding::kRaw ? image.rgb : encoded_jpeg(image));
    std::vector<int8_t> flow;
    for (int i = 0; i < kFlowHeight * kFlowWidth * 2; ++i) {
      flow.push_back(static_cast<int8_t>(i * 5 + frame - 100));
    }
    result.flow.push_back(flow);
    for (int joint = 0; joint < kJointCount; ++joint) {
      result.joints.push_back({joint + 0.5f, number - 0.25f * frame, 0.125f});
    }
  }
  return result;
}

// A shard of two tracklets, 3 and 2 frames long.
inline std::string write_shard(const std::filesystem::path& path,
                               FrameEncoding encoding = FrameEncoding::kRaw) {
  ShardWriter writer(path, example_geometry(encoding), 2, 5, "the ingest");
  writer.append(example_tracklet(1, 3, encoding));
  writer.append(example_tracklet(2, 2, encoding));
  return writer.publish();
}

// HDF5's own view of a file, independent of the reader.
class RawFile {
 public:
  explicit RawFile(const std::filesystem::path& path, unsigned mode = H5F_ACC_RDWR)
      : file_(H5Fopen(path.c_str(), mode, H5P_DEFAULT)) {}
  ~RawFile() { H5Fclose(file_); }
  hid_t get() const { return file_; }

  void set_text(const char* name, const std::string& value) const {
    H5Adelete(file_, name);
    const hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    H5Tset_size(type, value.size() + 1);
    const hid_t attribute = H5Acreate2(file_, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(attribute, type, value.c_str());
    H5Aclose(attribute), H5Sclose(space), H5Tclose(type);
  }
  void set_number(const char* name, int64_t value) const {
    const hid_t attribute = H5Aopen(file_, name, H5P_DEFAULT);
    H5Awrite(attribute, H5T_NATIVE_INT64, &value);
    H5Aclose(attribute);
  }
  std::vector<hsize_t> shape(const char* name) const {
    const hid_t dataset = H5Dopen2(file_, name, H5P_DEFAULT), space = H5Dget_space(dataset);
    std::vector<hsize_t> extent(static_cast<size_t>(H5Sget_simple_extent_ndims(space)));
    H5Sget_simple_extent_dims(space, extent.data(), nullptr);
    H5Sclose(space), H5Dclose(dataset);
    return extent;
  }
  bool has_type(const char* name, hid_t expected) const {
    const hid_t dataset = H5Dopen2(file_, name, H5P_DEFAULT), type = H5Dget_type(dataset);
    const bool same = H5Tequal(type, expected) > 0;
    H5Tclose(type), H5Dclose(dataset);
    return same;
  }
  // Writes `values` under `name` in a layout of the caller's choice, in the place of what was
  // there.
  void replace(const char* name, hid_t type, const std::vector<hsize_t>& extent, const void* values,
               hid_t creation = H5P_DEFAULT) const {
    H5Ldelete(file_, name, H5P_DEFAULT);
    const hid_t space = H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr);
    const hid_t dataset = H5Dcreate2(file_, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
    H5Dclose(dataset), H5Sclose(space);
  }
  // Stores a dataset again, cut into chunks and compressed, as h5repack would.
  void compress(const char* name, hid_t type) const {
    const std::vector<hsize_t> extent = shape(name);
    const hid_t dataset = H5Dopen2(file_, name, H5P_DEFAULT);
    std::vector<uint8_t> values(H5Dget_storage_size(dataset));
    H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
    H5Dclose(dataset);
    std::vector<hsize_t> chunk = extent;
    chunk[0] = std::min<hsize_t>(chunk[0], extent.size() == 1 ? 100 : 2);
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(creation, static_cast<int>(chunk.size()), chunk.data());
    H5Pset_deflate(creation, 6);
    replace(name, type, extent, values.data(), creation);
    H5Pclose(creation);
  }
  // Every large dataset.
  void compress_all(FrameEncoding encoding) const {
    compress(encoding == FrameEncoding::kRaw ? kFramesRgb : kFramesJpeg, H5T_STD_U8LE);
    compress(kFramesFlow, H5T_STD_I8LE);
    compress(kFramesJoints, H5T_IEEE_F32LE);
  }
  // Where a contiguous dataset begins in the file; HADDR_UNDEF for one in chunks.
  haddr_t place_of(const char* name) const {
    const hid_t dataset = H5Dopen2(file_, name, H5P_DEFAULT);
    const haddr_t place = H5Dget_offset(dataset);
    H5Dclose(dataset);
    return place;
  }

 private:
  hid_t file_;
};

inline uint64_t place_of(const std::filesystem::path& shard, const char* name) {
  return RawFile(shard, H5F_ACC_RDONLY).place_of(name);
}

}  // namespace muster::datastore
