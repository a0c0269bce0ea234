#include "datastore/synthetic/tracklet_files.h"

#include <cerrno>
#include <cstdio>
#include <opencv2/imgcodecs.hpp>

#include "common/error.h"

namespace muster::datastore {

void write_bytes(const std::filesystem::path& path, std::string_view bytes) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) throw common::system_call_error(path.string(), "open", errno);
  const bool complete = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  const int write_error = errno;
  if (!complete) {
    std::fclose(file);
    throw common::system_call_error(path.string(), "write", write_error);
  }
  if (std::fclose(file) != 0) throw common::system_call_error(path.string(), "close", errno);
}

void write_picture(const std::filesystem::path& path, const cv::Mat& picture) {
  const std::string extension = path.extension().string();
  const std::vector<int> settings = extension == ".png"
                                        ? std::vector<int>{cv::IMWRITE_PNG_COMPRESSION, 1}
                                        : std::vector<int>{cv::IMWRITE_JPEG_QUALITY, 92};
  std::vector<uint8_t> bytes;
  if (!cv::imencode(extension, picture, bytes, settings)) {
    throw common::SystemError(path.string(), "cannot be encoded",
                              "check that OpenCV was built with this format");
  }
  write_bytes(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::string joints_table(const TrackletPlan& plan, const std::vector<Joint>& joints) {
  MUSTER_REQUIRE(joints.size(), ==, plan.frame_names.size() * kJointCount);
  std::string text = "frame";
  for (int joint = 1; joint <= kJointCount; ++joint) {
    text += numbered(",x%d,y%d,c%d", joint, joint, joint);
  }
  text += "\n";
  for (size_t frame = 0; frame < plan.frame_names.size(); ++frame) {
    text += plan.frame_names[frame];
    for (int index = 0; index < kJointCount; ++index) {
      const Joint& joint = joints[frame * kJointCount + static_cast<size_t>(index)];
      text += numbered(",%.2f,%.2f,%.3g", joint.x, joint.y, joint.confidence);
    }
    text += "\n";
  }
  return text;
}

}  // namespace muster::datastore
