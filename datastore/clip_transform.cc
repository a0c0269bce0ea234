#include "datastore/clip_transform.h"

#include <cmath>
#include <opencv2/imgproc.hpp>

#include "common/error.h"
#include "datastore/resample.h"
#include "datastore/shard_format.h"

namespace muster::datastore {
namespace {

// Torch7's YUV of RGB.
constexpr float kYuv[3][3] = {
    {0.299f, 0.587f, 0.114f}, {-0.14713f, -0.28886f, 0.436f}, {0.615f, -0.51499f, -0.10001f}};

int opencv_interpolation(Interpolation interpolation, bool shrinks) {
  switch (interpolation) {
    case Interpolation::kBilinear:
      return cv::INTER_LINEAR;
    case Interpolation::kBicubic:
      return cv::INTER_CUBIC;
    case Interpolation::kArea:
      break;
  }
  return shrinks ? cv::INTER_AREA : cv::INTER_LINEAR;
}

// Mean 0 and variance 1 in place; a constant plane becomes 0.
void standardise(float* plane, size_t count, bool divide_by_root) {
  double sum = 0, sum_of_squares = 0;
  for (size_t i = 0; i < count; ++i) sum += plane[i];
  const double mean = sum / static_cast<double>(count);
  for (size_t i = 0; i < count; ++i) {
    const double difference = plane[i] - mean;
    sum_of_squares += difference * difference;
  }
  const double deviation = std::sqrt(sum_of_squares / static_cast<double>(count));
  constexpr double kNoVariance = 1e-7;
  const double divisor = divide_by_root ? std::sqrt(deviation) : deviation;
  const double scale = deviation > kNoVariance ? 1.0 / divisor : 0.0;
  for (size_t i = 0; i < count; ++i) plane[i] = static_cast<float>((plane[i] - mean) * scale);
}

// The frame with its box blackened and at the resized size. May share the clip's memory.
cv::Mat resized_frame(const ClipView& clip, int frame, const ClipFormat& format,
                      const std::vector<PixelBox>& boxes) {
  const size_t bytes = static_cast<size_t>(clip.height) * clip.width * 3;
  cv::Mat picture(clip.height, clip.width, CV_8UC3,
                  const_cast<uint8_t*>(clip.rgb + static_cast<size_t>(frame) * bytes));
  if (!boxes.empty()) {
    const PixelBox& box = boxes[static_cast<size_t>(frame)];
    MUSTER_REQUIRE(box.y + box.height, <=, clip.height);
    MUSTER_REQUIRE(box.x + box.width, <=, clip.width);
    picture = picture.clone();
    picture(cv::Rect(box.x, box.y, box.width, box.height)).setTo(cv::Scalar::all(0));
  }
  if (clip.height == format.resize_height && clip.width == format.resize_width) return picture;
  const bool shrinks = format.resize_height <= clip.height && format.resize_width <= clip.width;
  cv::Mat result;
  cv::resize(picture, result, cv::Size(format.resize_width, format.resize_height), 0, 0,
             opencv_interpolation(format.interpolation, shrinks));
  return result;
}

// [3, resize_height, resize_width] colours of one frame.
void fill_colour_planes(const cv::Mat& picture, const ClipFormat& format, float* planes) {
  const size_t count = picture.total();
  const uint8_t* pixels = picture.ptr<uint8_t>();
  const float divisor = format.range == ValueRange::kUnit ? 255.0f : 1.0f;
  for (size_t i = 0; i < count; ++i) {
    const uint8_t* rgb = pixels + i * 3;
    for (int plane = 0; plane < 3; ++plane) {
      float value = 0;
      if (format.colour == ColourSpace::kYuv) {
        value = kYuv[plane][0] * rgb[0] + kYuv[plane][1] * rgb[1] + kYuv[plane][2] * rgb[2];
      } else {
        value = rgb[format.colour == ColourSpace::kRgb ? plane : 2 - plane];
      }
      planes[static_cast<size_t>(plane) * count + i] = value / divisor;
    }
  }
}

// [2, resize_height, resize_width] planes in pixels of the stored frame per frame.
void fill_flow_planes(const ClipView& clip, int frame, const ClipFormat& format, float* planes) {
  const size_t bytes = static_cast<size_t>(clip.flow_height) * clip.flow_width * 2;
  const cv::Mat counts(clip.flow_height, clip.flow_width, CV_8SC2,
                       const_cast<int8_t*>(clip.flow + static_cast<size_t>(frame) * bytes));
  cv::Mat pixels;
  counts.convertTo(pixels, CV_32FC2, kFlowPixelsPerCount);
  if (pixels.rows != format.resize_height || pixels.cols != format.resize_width) {
    cv::resize(pixels, pixels, cv::Size(format.resize_width, format.resize_height), 0, 0,
               opencv_interpolation(format.interpolation, true));
  }
  const size_t count = pixels.total();
  const auto* vectors = pixels.ptr<float>();
  const size_t horizontal = format.vertical_flow_first ? count : 0;
  for (size_t i = 0; i < count; ++i) {
    planes[horizontal + i] = vectors[2 * i];
    planes[count - horizontal + i] = vectors[2 * i + 1];
  }
}

void normalise(const ClipFormat& format, size_t channel, float* plane, size_t count) {
  if (format.normalisation == Normalisation::kPerFrame) {
    standardise(plane, count, format.divide_by_root_of_deviation);
  } else if (channel < 3) {
    const float mean = format.mean[channel], deviation = format.deviation[channel];
    for (size_t i = 0; i < count; ++i) plane[i] = (plane[i] - mean) / deviation;
  }
}

// Cuts the window out of one plane; `sign` is -1 for mirrored horizontal flow.
void copy_window(const float* plane, const ClipFormat& format, const ClipWindow& window, float sign,
                 float* output) {
  for (int y = 0; y < format.crop_height; ++y) {
    const float* row =
        plane + static_cast<size_t>(y + window.crop_y) * format.resize_width + window.crop_x;
    for (int x = 0; x < format.crop_width; ++x) {
      *output++ = sign * row[window.flip ? format.crop_width - 1 - x : x];
    }
  }
}

void subtract_mean(float* values, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += values[i];
  const auto mean = static_cast<float>(sum / static_cast<double>(count));
  for (size_t i = 0; i < count; ++i) values[i] -= mean;
}

void require_fitting(const ClipFormat& format, const ClipWindow& window) {
  MUSTER_REQUIRE(window.crop_y, >=, 0);
  MUSTER_REQUIRE(window.crop_x, >=, 0);
  MUSTER_REQUIRE(window.crop_y + format.crop_height, <=, format.resize_height);
  MUSTER_REQUIRE(window.crop_x + format.crop_width, <=, format.resize_width);
}

// [channels, resize_height, resize_width] of one frame: all that no window changes.
void fill_planes(const ClipView& clip, int frame, const ClipFormat& format,
                 const std::vector<PixelBox>& boxes, std::vector<float>& planes) {
  const size_t plane = static_cast<size_t>(format.resize_height) * format.resize_width;
  const auto channels = static_cast<size_t>(format.channels());
  planes.resize(channels * plane);
  fill_colour_planes(resized_frame(clip, frame, format, boxes), format, planes.data());
  if (format.flow) fill_flow_planes(clip, frame, format, planes.data() + 3 * plane);
  for (size_t channel = 0; channel < channels; ++channel) {
    normalise(format, channel, planes.data() + channel * plane, plane);
  }
}

// [channels, crop_height, crop_width] of one frame from its planes.
void cut_window(const std::vector<float>& planes, const ClipFormat& format,
                const ClipWindow& window, float* values) {
  const size_t plane = static_cast<size_t>(format.resize_height) * format.resize_width;
  const size_t pixels = static_cast<size_t>(format.crop_height) * format.crop_width;
  const auto channels = static_cast<size_t>(format.channels());
  const size_t horizontal_flow = format.vertical_flow_first ? 4 : 3;
  for (size_t channel = 0; channel < channels; ++channel) {
    const bool mirrored_flow = window.flip && channel == horizontal_flow;
    copy_window(planes.data() + channel * plane, format, window, mirrored_flow ? -1.0f : 1.0f,
                values + channel * pixels);
  }
  if (format.subtract_window_mean) subtract_mean(values, channels * pixels);
}

}  // namespace

ClipView StoredClip::view() const {
  ClipView result{frames, height, width, rgb.data(), flow_height, flow_width, nullptr, nullptr};
  const auto count = static_cast<size_t>(frames);
  MUSTER_REQUIRE(rgb.size(), ==, count * height * width * 3);
  if (!flow.empty()) {
    MUSTER_REQUIRE(flow.size(), ==, count * flow_height * flow_width * 2);
    result.flow = flow.data();
  }
  if (!joints.empty()) {
    MUSTER_REQUIRE(joints.size(), ==, count * kJointCount);
    result.joints = joints.data();
  }
  return result;
}

void cut_windows(const ClipView& clip, const ClipFormat& format, const std::vector<PixelBox>& boxes,
                 const std::vector<ClipWindow>& windows, float* values) {
  for (const ClipWindow& window : windows) require_fitting(format, window);
  const auto frames = static_cast<size_t>(clip.frames);
  if (!boxes.empty()) MUSTER_REQUIRE(boxes.size(), ==, frames);
  if (format.flow) MUSTER_REQUIRE(clip.flow != nullptr, ==, true);
  const size_t frame_values =
      static_cast<size_t>(format.channels()) * format.crop_height * format.crop_width;
  std::vector<float> planes;
  for (size_t frame = 0; frame < frames; ++frame) {
    fill_planes(clip, static_cast<int>(frame), format, boxes, planes);
    for (size_t i = 0; i < windows.size(); ++i) {
      cut_window(planes, format, windows[i], values + (i * frames + frame) * frame_values);
    }
  }
}

void apply_clip_transform(const ClipView& clip, const ClipFormat& format,
                          const ClipTransform& transform, float* values) {
  cut_windows(clip, format, transform.boxes, {transform.window()}, values);
}

int mirrored_joint(int joint) {
  constexpr int kMirrored[kJointCount] = {0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10};
  return kMirrored[joint];
}

void apply_joint_transform(const ClipView& clip, const ClipFormat& format,
                           const ClipTransform& transform, Joint* joints) {
  require_fitting(format, transform.window());
  MUSTER_REQUIRE(clip.joints != nullptr, ==, true);
  const auto right = static_cast<float>(format.crop_width - 1);
  const auto bottom = static_cast<float>(format.crop_height - 1);
  for (int frame = 0; frame < clip.frames; ++frame) {
    const Joint* stored = clip.joints + static_cast<size_t>(frame) * kJointCount;
    Joint* written = joints + static_cast<size_t>(frame) * kJointCount;
    for (int number = 0; number < kJointCount; ++number) {
      Joint joint = stored[transform.flip ? mirrored_joint(number) : number];
      joint.x = resized_place(joint.x, clip.width, format.resize_width) -
                static_cast<float>(transform.crop_x);
      joint.y = resized_place(joint.y, clip.height, format.resize_height) -
                static_cast<float>(transform.crop_y);
      if (transform.flip) joint.x = right - joint.x;
      const bool inside = joint.x >= -0.5f && joint.x <= right + 0.5f && joint.y >= -0.5f &&
                          joint.y <= bottom + 0.5f;
      if (!inside) joint.confidence = 0;
      written[number] = joint;
    }
  }
}

}  // namespace muster::datastore
