#include "models/network_model.h"

#include <ATen/ATen.h>

#include "common/error.h"

namespace muster::models {

InputFormat square_format(int size, InputColour colour, InputInterpolation interpolation,
                          const std::array<float, 3>& mean, const std::array<float, 3>& deviation) {
  InputFormat format{size, size, size, size, /*flow=*/false};
  format.colour = colour;
  format.interpolation = interpolation;
  format.fixed_normalisation = true;
  format.mean = mean;
  format.deviation = deviation;
  return format;
}

InputFormat caffe_format(int size, InputInterpolation interpolation) {
  constexpr float kStep = 1 / 255.0f;
  return square_format(size, InputColour::kBgr, interpolation,
                       {104 / 255.0f, 117 / 255.0f, 123 / 255.0f}, {kStep, kStep, kStep});
}

void require_square_clips(const ModelInput& input, int64_t size) {
  MUSTER_REQUIRE(input.clips.dim(), ==, 5);
  MUSTER_REQUIRE(input.clips.size(1), >=, 1);
  MUSTER_REQUIRE(input.clips.size(2), ==, 3);
  MUSTER_REQUIRE(input.clips.size(3), ==, size);
  MUSTER_REQUIRE(input.clips.size(4), ==, size);
}

at::Tensor mean_of_variants(const at::Tensor& tensor, int64_t axes) {
  return tensor.dim() > axes ? tensor.mean(1) : tensor;
}

}  // namespace muster::models
