// Input for the rows: JPEG datasets in the PRID-2011 layout, in a directory that goes away.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "datastore/dataset_reader.h"

namespace muster::benchmarks {

// A new directory inside `parent`, removed with everything in it. Throws SystemError.
class ScratchDirectory {
 public:
  explicit ScratchDirectory(const std::filesystem::path& parent);
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// A few different JPEG files, and any number of hard links to them in turn. Pictures are smooth and
// a little noisy, about as large as filmed ones.
class LinkedPictures {
 public:
  LinkedPictures(const std::filesystem::path& originals, int height, int width,
                 int different_files);
  void link(const std::filesystem::path& name);

 private:
  std::vector<std::filesystem::path> originals_;
  size_t next_ = 0;
};

struct DatasetSize {
  int persons = 0;     // each under two cameras
  int64_t frames = 0;  // of all tracklets together; at least one each
  int height = 0, width = 0;
  int different_files = 0;  // all others are hard links to these
};

void write_jpeg_dataset(const std::filesystem::path& root, const DatasetSize& size);

std::unique_ptr<datastore::DatasetReader> open_jpeg_dataset(const std::filesystem::path& root);

// Cores that this process may use.
int usable_cores();

}  // namespace muster::benchmarks
