#include "datastore/optical_flow.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "common/error.h"
#include "datastore/flow_kernel.h"

namespace muster::datastore {
FlowField lucas_kanade_flow(const Image& previous, const Image& current, double noise_threshold) {
  MUSTER_REQUIRE(previous.height, ==, current.height);
  MUSTER_REQUIRE(previous.width, ==, current.width);
  MUSTER_REQUIRE(std::min(current.height, current.width), >=, 1);
  const size_t pixels = size_t(current.height) * current.width;
  MUSTER_REQUIRE(previous.rgb.size(), ==, 3 * pixels);
  MUSTER_REQUIRE(current.rgb.size(), ==, 3 * pixels);
  FlowField flow{current.height, current.width, std::vector<float>(2 * pixels)};
  flow_kernels().front().run(previous.rgb.data(), current.rgb.data(), current.height, current.width,
                             noise_threshold, flow.vectors.data());
  return flow;
}

void round_to_whole_pixels(FlowField& flow) {
  for (float& value : flow.vectors) value = std::clamp(std::round(value), -127.0f, 128.0f);
}

std::vector<int8_t> quantised_flow(const FlowField& flow, int out_height, int out_width) {
  MUSTER_REQUIRE(std::min(out_height, out_width), >=, 1);
  MUSTER_REQUIRE(flow.vectors.size(), ==, size_t(flow.height) * flow.width * 2);
  cv::Mat vectors(flow.height, flow.width, CV_32FC2, const_cast<float*>(flow.vectors.data()));
  cv::Mat resampled = vectors;
  if (out_height != flow.height || out_width != flow.width) {
    cv::resize(vectors, resampled, cv::Size(out_width, out_height), 0, 0, cv::INTER_AREA);
  }
  std::vector<int8_t> stored(size_t(out_height) * out_width * 2);
  const float* values = resampled.ptr<float>();
  for (size_t index = 0; index < stored.size(); ++index) {
    const float steps = std::clamp(values[index] * float(1 / kFlowPixelsPerCount), -127.0f, 127.0f);
    stored[index] = static_cast<int8_t>(std::lround(steps));
  }
  return stored;
}

}  // namespace muster::datastore
