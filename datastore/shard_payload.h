// One large dataset of a shard: where its rows lie in the file, and how they come from there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datastore/hdf5_handle.h"
#include "datastore/mapped_file.h"

namespace muster::datastore {

// Contiguous rows come from the mapped file, without HDF5's global lock. The rows of a repacked
// copy (chunked, filtered) come through HDF5, one reader at a time. read() may be called from
// several threads.
class ShardPayload {
 public:
  ShardPayload() = default;
  // Throws InputError if the file has no such dataset, or one without rows or whose elements do not
  // have `element_bytes`.
  ShardPayload(const Hdf5Handle& file, const std::string& name, size_t element_bytes,
               const std::string& path);
  uint64_t rows() const { return shape_.empty() ? 0 : shape_[0]; }
  uint64_t row_bytes() const { return row_bytes_; }
  const std::vector<hsize_t>& shape() const { return shape_; }
  bool is_contiguous() const { return offset_ != HADDR_UNDEF; }
  uint64_t offset() const { return offset_; }  // in the file, where it is contiguous
  // rows x row_bytes() into `target`, in the types that the program uses: uint8, int8 or float32.
  // Throws SystemError if the disk fails or the file is too short.
  void read(uint64_t first_row, uint64_t rows, void* target) const;

 private:
  Hdf5Handle dataset_, type_;
  std::string path_;
  std::vector<hsize_t> shape_;
  uint64_t row_bytes_ = 0;
  haddr_t offset_ = HADDR_UNDEF;
  MappedFile file_;
};

}  // namespace muster::datastore
