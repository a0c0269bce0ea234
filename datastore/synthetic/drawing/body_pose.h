// A walking skeleton and how a camera sees it.
#pragma once

#include <array>
#include <opencv2/core.hpp>

#include "datastore/image.h"
#include "datastore/synthetic/drawing/appearance.h"

namespace muster::datastore {

// The 14 joints in the order of the joints files.
enum JointIndex {
  kHeadTop,
  kNeck,
  kRightShoulder,
  kRightElbow,
  kRightWrist,
  kLeftShoulder,
  kLeftElbow,
  kLeftWrist,
  kRightHip,
  kRightKnee,
  kRightAnkle,
  kLeftHip,
  kLeftKnee,
  kLeftAnkle,
};

// Body axes: x ahead, y to the person's left, z up from the ground; one average person's height
// = 1.
struct BodyPose {
  std::array<cv::Point3d, kJointCount> joints;
};

// `phase` in radians, 2 pi to the full cycle of two steps.
BodyPose walking_pose(const Appearance& person, double phase);

// A camera some way off: no perspective inside the frame.
struct View {
  double heading = 0;   // radians: 0 walks towards the camera, pi/2 to the right of the picture
  double pitch = 0.12;  // radians that the camera looks down
  double pixels_per_unit = 1;
  cv::Point2d ground;  // picture position of the point between the feet, pixels
};

struct ViewedPoint {
  cv::Point2f pixel;
  float nearness = 0;  // towards the camera, body units
};

ViewedPoint viewed(const View& view, const cv::Point3d& body_point);

}  // namespace muster::datastore
