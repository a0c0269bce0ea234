// What a network does with each frame by itself, for a whole tracklet's frames in bounded memory.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "models/model.h"

namespace muster::models {

// Images that pass at once when not training.
constexpr int64_t kImagesAtOnce = 64;

// `inputs`: defined tensors with the same first axis, images. Returns what `function` makes of
// them: tensors with that first axis too, undefined ones allowed. When not training and there are
// more than kImagesAtOnce images it sees them in portions, whose results are concatenated; only
// for functions that treat every image by itself then, as batch norms do outside training.
using ImageTensors = std::vector<at::Tensor>;
ImageTensors in_portions(const ImageTensors& inputs, const ForwardContext& context,
                         const std::function<ImageTensors(const ImageTensors&)>& function);

// One tensor in, one out.
at::Tensor in_portions(const at::Tensor& images, const ForwardContext& context,
                       const std::function<at::Tensor(const at::Tensor&)>& function);

}  // namespace muster::models
