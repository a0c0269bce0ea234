#include "datastore/shard_payload.h"

#include <mutex>

#include "common/error.h"

namespace muster::datastore {

ShardPayload::ShardPayload(const Hdf5Handle& file, const std::string& name, size_t element_bytes,
                           const std::string& path)
    : dataset_(open_dataset(file, name, path)), path_(path) {
  const Hdf5Handle stored(H5Dget_type(dataset_.get()), path, "H5Dget_type");
  type_ = Hdf5Handle(H5Tget_native_type(stored.get(), H5T_DIR_ASCEND), path, "H5Tget_native_type");
  shape_ = shape_of(dataset_);
  if (shape_.empty()) throw common::InputError(path, name + " has no rows");
  row_bytes_ = H5Tget_size(stored.get());
  if (row_bytes_ != element_bytes) {
    throw common::InputError(path, name + " has elements of " + std::to_string(row_bytes_) +
                                       " bytes instead of " + std::to_string(element_bytes));
  }
  for (size_t axis = 1; axis < shape_.size(); ++axis) row_bytes_ *= shape_[axis];
  offset_ = H5Dget_offset(dataset_.get());
  if (is_contiguous()) file_ = MappedFile(path);
}

void ShardPayload::read(uint64_t first_row, uint64_t rows, void* target) const {
  if (!is_contiguous()) {
    // HDF5 keeps nothing apart by file: one lock for all.
    static std::mutex mutex;
    const std::lock_guard<std::mutex> lock(mutex);
    read_rows(dataset_, type_.get(), first_row, rows, target, path_);
    return;
  }
  file_.read(offset_ + first_row * row_bytes_, rows * row_bytes_, target);
}

}  // namespace muster::datastore
