#include "datastore/clip_transform.h"

#include <cmath>
#include <opencv2/imgproc.hpp>

#include "common/error.h"
#include "datastore/resample.h"
#include "datastore/shard_format.h"

namespace muster::datastore {
namespace {

// Torch7's YUV of RGB in [0, 1].
constexpr float kYuv[3][3] = {
    {0.299f, 0.587f, 0.114f}, {-0.14713f, -0.28886f, 0.436f}, {0.615f, -0.51499f, -0.10001f}};

// Mean 0, variance 1 in place; a constant plane becomes 0.
void standardise(float* plane, size_t count) {
  double sum = 0, sum_of_squares = 0;
  for (size_t i = 0; i < count; ++i) sum += plane[i];
  const double mean = sum / static_cast<double>(count);
  for (size_t i = 0; i < count; ++i) {
    const double difference = plane[i] - mean;
    sum_of_squares += difference * difference;
  }
  const double deviation = std::sqrt(sum_of_squares / static_cast<double>(count));
  constexpr double kNoVariance = 1e-7;
  const double scale = deviation > kNoVariance ? 1.0 / deviation : 0.0;
  for (size_t i = 0; i < count; ++i) plane[i] = static_cast<float>((plane[i] - mean) * scale);
}

// [3, resize_height, resize_width] planes of one frame.
void fill_colour_planes(const Image& frame, const ClipFormat& format, float* planes) {
  const Image small = resized(frame, format.resize_height, format.resize_width);
  const size_t count = static_cast<size_t>(format.resize_height) * format.resize_width;
  for (size_t i = 0; i < count; ++i) {
    const uint8_t* rgb = &small.rgb[i * 3];
    for (int plane = 0; plane < 3; ++plane) {
      planes[plane * count + i] =
          (kYuv[plane][0] * rgb[0] + kYuv[plane][1] * rgb[1] + kYuv[plane][2] * rgb[2]) / 255.0f;
    }
  }
}

// [2, resize_height, resize_width] planes in pixels of the stored frame per frame.
void fill_flow_planes(const std::vector<int8_t>& flow, const StoredClip& clip,
                      const ClipFormat& format, float* planes) {
  const cv::Mat counts(clip.flow_height, clip.flow_width, CV_8SC2,
                       const_cast<int8_t*>(flow.data()));
  cv::Mat pixels;
  counts.convertTo(pixels, CV_32FC2, kFlowPixelsPerCount);
  if (pixels.rows != format.resize_height || pixels.cols != format.resize_width) {
    cv::resize(pixels, pixels, cv::Size(format.resize_width, format.resize_height), 0, 0,
               cv::INTER_AREA);
  }
  const size_t count = static_cast<size_t>(format.resize_height) * format.resize_width;
  const auto* vectors = pixels.ptr<float>();
  for (size_t i = 0; i < count; ++i) {
    planes[i] = vectors[2 * i];
    planes[count + i] = vectors[2 * i + 1];
  }
}

// Cuts the window out of one plane; `sign` is -1 for mirrored horizontal flow.
void copy_window(const float* plane, const ClipFormat& format, const ClipTransform& transform,
                 float sign, float* output) {
  for (int y = 0; y < format.crop_height; ++y) {
    const float* row =
        plane + static_cast<size_t>(y + transform.crop_y) * format.resize_width + transform.crop_x;
    for (int x = 0; x < format.crop_width; ++x) {
      *output++ = sign * row[transform.flip ? format.crop_width - 1 - x : x];
    }
  }
}

void subtract_mean(float* values, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += values[i];
  const auto mean = static_cast<float>(sum / static_cast<double>(count));
  for (size_t i = 0; i < count; ++i) values[i] -= mean;
}

}  // namespace

void apply_clip_transform(const StoredClip& clip, const ClipFormat& format,
                          const ClipTransform& transform, float* output) {
  MUSTER_REQUIRE(transform.crop_y, >=, 0);
  MUSTER_REQUIRE(transform.crop_x, >=, 0);
  MUSTER_REQUIRE(transform.crop_y + format.crop_height, <=, format.resize_height);
  MUSTER_REQUIRE(transform.crop_x + format.crop_width, <=, format.resize_width);
  if (format.flow) MUSTER_REQUIRE(clip.flow.size(), ==, clip.frames.size());
  const size_t plane = static_cast<size_t>(format.resize_height) * format.resize_width;
  const size_t window = static_cast<size_t>(format.crop_height) * format.crop_width;
  const auto channels = static_cast<size_t>(format.channels());
  std::vector<float> planes(channels * plane);
  for (size_t frame = 0; frame < clip.frames.size(); ++frame) {
    fill_colour_planes(clip.frames[frame], format, planes.data());
    if (format.flow) fill_flow_planes(clip.flow[frame], clip, format, planes.data() + 3 * plane);
    float* frame_output = output + frame * channels * window;
    for (size_t channel = 0; channel < channels; ++channel) {
      standardise(planes.data() + channel * plane, plane);
      const bool mirrored_flow = transform.flip && channel == 3;
      copy_window(planes.data() + channel * plane, format, transform, mirrored_flow ? -1.0f : 1.0f,
                  frame_output + channel * window);
    }
    subtract_mean(frame_output, channels * window);
  }
}

}  // namespace muster::datastore
