// Gradients in flat buffers: a few large messages carry many small tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace muster::trainer {

// Which parameters share a buffer: positions in `parameters`, taken in `order`, a new bucket where
// the next one would exceed bucket_bytes or has another element type or device. A parameter larger
// than bucket_bytes has a bucket to itself.
std::vector<std::vector<size_t>> assign_buckets(const std::vector<at::Tensor>& parameters,
                                                const std::vector<size_t>& order,
                                                int64_t bucket_bytes);

// The size of a message: bucket_bytes, but of few gradients an eighth (at least 128 kB), so that
// most of them travel before the last ones are there.
int64_t bytes_of_bucket(const std::vector<at::Tensor>& parameters, int64_t bucket_bytes);

// Owns one flat buffer per bucket of bytes_of_bucket(); the parameters' gradients are views of it,
// with the parameter's strides where its memory has no gaps, row by row otherwise. One thread at a
// time.
class GradientBuckets {
 public:
  GradientBuckets(const std::vector<at::Tensor>& parameters, const std::vector<size_t>& order,
                  int64_t bucket_bytes);

  size_t count() const { return flats_.size(); }
  // [elements of the bucket's members]
  const at::Tensor& flat(size_t bucket) const { return flats_[bucket]; }
  const std::vector<size_t>& members(size_t bucket) const { return members_[bucket]; }
  size_t bucket_of(size_t parameter) const { return bucket_of_[parameter]; }
  // Zeroes all buffers and makes the views the gradients of the parameters.
  void reset();
  // Whether the parameter's gradient still is its view.
  bool attached(size_t parameter) const;

 private:
  std::vector<at::Tensor> parameters_, flats_, views_;
  std::vector<std::vector<size_t>> members_;
  std::vector<size_t> bucket_of_;
};

}  // namespace muster::trainer
