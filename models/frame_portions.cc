#include "models/frame_portions.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "common/error.h"

namespace muster::models {

ImageTensors in_portions(const ImageTensors& inputs, const ForwardContext& context,
                         const std::function<ImageTensors(const ImageTensors&)>& function) {
  MUSTER_REQUIRE(inputs.empty(), ==, false);
  const int64_t images = inputs.front().size(0);
  for (const at::Tensor& input : inputs) MUSTER_REQUIRE(input.size(0), ==, images);
  if (context.training || images <= kImagesAtOnce) return function(inputs);
  std::vector<ImageTensors> by_result;  // [results][portions]
  for (int64_t first = 0; first < images; first += kImagesAtOnce) {
    ImageTensors some;
    for (const at::Tensor& input : inputs) {
      some.push_back(input.narrow(0, first, std::min(kImagesAtOnce, images - first)));
    }
    const ImageTensors results = function(some);
    by_result.resize(results.size());
    for (size_t i = 0; i < results.size(); ++i) by_result[i].push_back(results[i]);
  }
  ImageTensors whole;
  for (ImageTensors& portions : by_result) {
    whole.push_back(portions.front().defined() ? at::cat(portions) : at::Tensor());
    portions.clear();  // before the next one is copied
  }
  return whole;
}

at::Tensor in_portions(const at::Tensor& images, const ForwardContext& context,
                       const std::function<at::Tensor(const at::Tensor&)>& function) {
  const auto with_one = [&](const ImageTensors& some) {
    return ImageTensors{function(some.front())};
  };
  return in_portions(ImageTensors{images}, context, with_one).front();
}

}  // namespace muster::models
