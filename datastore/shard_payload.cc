#include "datastore/shard_payload.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <utility>

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
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0) throw common::system_call_error(path, "open", errno);
}

ShardPayload::~ShardPayload() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

ShardPayload& ShardPayload::operator=(ShardPayload&& other) noexcept {
  dataset_ = std::move(other.dataset_);
  type_ = std::move(other.type_);
  path_ = std::move(other.path_);
  shape_ = std::move(other.shape_);
  row_bytes_ = other.row_bytes_;
  offset_ = other.offset_;
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

void ShardPayload::read(uint64_t first_row, uint64_t rows, void* target) const {
  if (!is_contiguous()) {
    // HDF5 keeps nothing apart by file: one lock for all.
    static std::mutex mutex;
    const std::lock_guard<std::mutex> lock(mutex);
    read_rows(dataset_, type_.get(), first_row, rows, target, path_);
    return;
  }
  const uint64_t bytes = rows * row_bytes_;
  const uint64_t offset = offset_ + first_row * row_bytes_;
  for (uint64_t done = 0; done < bytes;) {
    const ssize_t count = ::pread(descriptor_, static_cast<char*>(target) + done, bytes - done,
                                  static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw common::system_call_error(path_, "pread", errno);
    if (count == 0) throw common::SystemError(path_, "is shorter than its header says");
    done += static_cast<uint64_t>(count);
  }
}

}  // namespace muster::datastore
