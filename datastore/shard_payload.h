// One large dataset of a shard: where its rows lie in the file, and how they come from there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datastore/hdf5_handle.h"
#include "datastore/mapped_file.h"
#include "datastore/shard_format.h"

namespace muster::datastore {

// Contiguous rows come from the mapped file, without HDF5's global lock. The rows of a repacked
// copy (chunked, filtered, of another byte order) come through HDF5, one reader at a time. read()
// may be called from several threads.
class ShardPayload {
 public:
  ShardPayload() = default;
  // `memory_type` is what read() gives: H5T_NATIVE_UINT8, _INT8 or _FLOAT. Throws InputError if the
  // file has no such dataset, one with another number of axes than `shape` or with other lengths
  // after the first axis (0 there: any from 1 to kMostPixelsAcross), or one whose elements are no
  // numbers of that class and size.
  ShardPayload(const Hdf5Handle& file, const std::string& name, hid_t memory_type,
               const std::vector<hsize_t>& shape, const std::string& path);
  uint64_t rows() const { return shape_.empty() ? 0 : shape_[0]; }
  uint64_t row_bytes() const { return row_bytes_; }
  const std::vector<hsize_t>& shape() const { return shape_; }
  bool is_contiguous() const { return offset_ != HADDR_UNDEF; }
  uint64_t offset() const { return offset_; }  // in the file, where it is contiguous
  // rows x row_bytes() into `target`, in the memory type.
  // Throws SystemError if the disk fails or the file is too short.
  void read(uint64_t first_row, uint64_t rows, void* target) const;

 private:
  Hdf5Handle dataset_;
  hid_t memory_type_ = H5I_INVALID_HID;  // one of HDF5's own, which nobody closes
  std::string path_;
  std::vector<hsize_t> shape_;
  uint64_t row_bytes_ = 0;
  haddr_t offset_ = HADDR_UNDEF;
  MappedFile file_;
};

}  // namespace muster::datastore
