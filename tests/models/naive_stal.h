// STAL as its specification says it, in plain loops over doubles, outside training.
#pragma once

#include <array>

#include "proto/model.pb.h"
#include "tests/models/naive_layers.h"

namespace muster::models::naive {

// The mask of a map.
Maps residual_attention(const Maps& in, const Weights& weights, const std::string& prefix);

using Box = std::array<double, 4>;  // x0, y0, x1, y1

// Of six parts. joints: x, y, confidence of each of 14.
std::vector<Box> boxes_of_joints(const Values& joints, double height, double width);
std::vector<Box> fixed_boxes(double height, double width);

// First and last column and row.
std::array<int64_t, 4> places(const Box& box, double scale, int64_t height, int64_t width);
Maps roi_max_pool(const Maps& in, const std::array<int64_t, 4>& place, int64_t size);

// Scores of one picture, not normalised.
Values quality(const Maps& image, const Weights& weights, const std::string& prefix);

// Equation 9 of one clip and one part: features [frames][...], scores of the part in the frames.
Values attended_mean(const std::vector<Values>& features, const Values& scores);
// Equation 8: [parts][...] and [parts] of two clips.
double attentive_distance(const std::vector<Values>& left, const Values& left_attention,
                          const std::vector<Values>& right, const Values& right_attention);
double euclidean(const Values& left, const Values& right);

// Signature and logits by name of one clip [frames, 3, size, size], both flattened; boxes
// [frames][parts]. What the network has is read from its weights: backbone, mask, auxiliary heads,
// parts flattened or pooled.
struct StalOutput {
  std::map<std::string, Values> signature, logits;
};
StalOutput stal(const at::Tensor& clip, const std::vector<std::vector<Box>>& boxes,
                const Weights& weights);

}  // namespace muster::models::naive
