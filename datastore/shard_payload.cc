#include "datastore/shard_payload.h"

#include <mutex>

#include "common/error.h"

namespace muster::datastore {

namespace {

bool has_shape(const std::vector<hsize_t>& shape, const std::vector<hsize_t>& demanded) {
  if (shape.size() != demanded.size()) return false;
  for (size_t axis = 1; axis < shape.size(); ++axis) {
    const bool fits = demanded[axis] == 0
                          ? shape[axis] >= 1 && shape[axis] <= hsize_t{kMostPixelsAcross}
                          : shape[axis] == demanded[axis];
    if (!fits) return false;
  }
  return true;
}

}  // namespace

ShardPayload::ShardPayload(const Hdf5Handle& file, const std::string& name, hid_t memory_type,
                           const std::vector<hsize_t>& shape, const std::string& path)
    : dataset_(open_dataset(file, name, path)),
      memory_type_(memory_type),
      path_(path),
      shape_(shape_of(dataset_)),
      row_bytes_(H5Tget_size(memory_type)) {
  const Hdf5Handle stored(H5Dget_type(dataset_.get()), path, "H5Dget_type");
  if (H5Tget_class(stored.get()) != H5Tget_class(memory_type) ||
      H5Tget_size(stored.get()) != row_bytes_) {
    throw common::InputError(path, name + " has elements of another type than it should",
                             "ingest it again");
  }
  if (!has_shape(shape_, shape)) {
    throw common::InputError(path, name + " has another shape than it should", "ingest it again");
  }
  for (size_t axis = 1; axis < shape_.size(); ++axis) row_bytes_ *= shape_[axis];
  if (H5Tequal(stored.get(), memory_type) <= 0) return;  // HDF5 converts
  offset_ = H5Dget_offset(dataset_.get());
  if (is_contiguous()) file_ = MappedFile(path);
}

void ShardPayload::read(uint64_t first_row, uint64_t rows, void* target) const {
  if (!is_contiguous()) {
    // HDF5 keeps nothing apart by file: one lock for all.
    static std::mutex mutex;
    const std::lock_guard<std::mutex> lock(mutex);
    read_rows(dataset_, memory_type_, first_row, rows, target, path_);
    return;
  }
  file_.read(offset_ + first_row * row_bytes_, rows * row_bytes_, target);
}

}  // namespace muster::datastore
