// Many pictures of one size, kept on disk instead of in memory while a store is made of them.
#pragma once

#include <atomic>
#include <cstdint>

#include "common/file_descriptor.h"
#include "datastore/image.h"

namespace muster::datastore {

// A temporary file in TMPDIR (/var/tmp if that is not set) that has no name: it disappears with
// this object, also when the process is killed. It takes height * width * 3 bytes per picture.
class CropSpool {
 public:
  // Throws SystemError naming the directory if the file cannot be made.
  CropSpool(int height, int width);

  // The picture's index, from 0 on. From one thread. Throws SystemError when the disk is full.
  int64_t append(const Image& picture);
  // From any thread. Throws SystemError if the disk fails.
  Image read(int64_t index) const;

 private:
  int height_, width_;
  common::Descriptor file_;
  std::atomic<int64_t> count_{0};
};

}  // namespace muster::datastore
