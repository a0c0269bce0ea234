// Tensors of a feature file that stay in it: for trainer/feature_*.cc.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "datastore/hdf5_handle.h"

namespace muster::trainer {

// One thread. Throws SystemError naming the file.
class StoredTensors {
 public:
  StoredTensors(datastore::Hdf5Handle file, std::string path)
      : file_(std::move(file)), path_(std::move(path)) {}
  void open(const std::string& tensor) {
    datasets_.emplace(tensor, datastore::open_dataset(file_, "/" + tensor, path_));
  }
  const datastore::Hdf5Handle& dataset(const std::string& tensor) const {
    return datasets_.at(tensor);
  }
  void read(const std::string& tensor, int64_t first, int64_t count, float* to) const {
    datastore::read_rows(dataset(tensor), H5T_NATIVE_FLOAT, static_cast<hsize_t>(first),
                         static_cast<hsize_t>(count), to, path_);
  }

 private:
  const datastore::Hdf5Handle file_;
  const std::string path_;
  std::map<std::string, datastore::Hdf5Handle> datasets_;
};

// Datasets of a feature file that are no tensors: identity, camera, role.
bool is_feature_column(const std::string& name);

// Rows of so many numbers that are read in one go.
int64_t feature_rows_at_once(int64_t row_size);

}  // namespace muster::trainer
