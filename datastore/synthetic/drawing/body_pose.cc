#include "datastore/synthetic/drawing/body_pose.h"

#include <algorithm>
#include <cmath>

namespace muster::datastore {
namespace {

constexpr double kPi = 3.14159265358979323846;

// From `start`, `length` along a direction that hangs down and swings ahead by `radians`.
cv::Point3d hung(const cv::Point3d& start, double length, double radians, double spread = 0) {
  return start +
         cv::Point3d(length * std::sin(radians), length * spread, -length * std::cos(radians));
}

struct Side {
  int shoulder, elbow, wrist, hip, knee, ankle;
  double left;  // +1 or -1
  double phase_offset;
};

constexpr Side kSides[2] = {
    {kRightShoulder, kRightElbow, kRightWrist, kRightHip, kRightKnee, kRightAnkle, -1, 0},
    {kLeftShoulder, kLeftElbow, kLeftWrist, kLeftHip, kLeftKnee, kLeftAnkle, 1, kPi},
};

void place_side(const Appearance& person, const Side& side, double phase, double hip_height,
                double shoulder_height, BodyPose& pose) {
  const double swing = std::sin(phase + side.phase_offset);
  const double recovery = std::max(0.0, std::cos(phase + side.phase_offset));
  const double leg = person.leg_share * person.height - 0.035;
  auto& joints = pose.joints;

  joints[side.hip] = {0, side.left * 0.055 * person.build, hip_height};
  const double thigh = person.gait.stride_radians * swing + 0.05;
  const double knee_bend = 0.08 + 1.7 * person.gait.stride_radians * recovery;
  joints[side.knee] = hung(joints[side.hip], 0.5 * leg, thigh);
  joints[side.ankle] = hung(joints[side.knee], 0.5 * leg, thigh - knee_bend);

  joints[side.shoulder] = {0, side.left * person.shoulder_share * std::sqrt(person.build),
                           shoulder_height};
  const double arm = -person.gait.arm_swing_radians * swing;
  const double elbow_bend = 0.22 + 0.4 * person.gait.arm_swing_radians * std::max(0.0, -swing);
  joints[side.elbow] = hung(joints[side.shoulder], 0.168 * person.height, arm, 0.12 * side.left);
  joints[side.wrist] = hung(joints[side.elbow], 0.15 * person.height, arm + elbow_bend);
}

}  // namespace

BodyPose walking_pose(const Appearance& person, double phase) {
  BodyPose pose;
  const double hip_height = person.leg_share * person.height;
  const double lean = 0.02;
  const double shoulder_height = 0.815 * person.height;
  for (const Side& side : kSides) {
    place_side(person, side, phase, hip_height, shoulder_height, pose);
  }
  pose.joints[kNeck] = {lean, 0, 0.85 * person.height};
  pose.joints[kHeadTop] = {lean + 0.01, 0, person.height};

  // The lower foot stands on the ground; the rest of the body follows.
  const double lowest = std::min(pose.joints[kRightAnkle].z, pose.joints[kLeftAnkle].z) - 0.035;
  const double lift = -lowest + person.gait.bob * (1 + std::cos(2 * phase));
  for (cv::Point3d& joint : pose.joints) joint.z += lift;
  return pose;
}

ViewedPoint viewed(const View& view, const cv::Point3d& point) {
  const double sine = std::sin(view.heading), cosine = std::cos(view.heading);
  const double right = point.x * sine + point.y * cosine;
  const double nearness = point.x * cosine - point.y * sine;
  const double up = point.z * std::cos(view.pitch) - nearness * std::sin(view.pitch);
  ViewedPoint result;
  result.pixel = cv::Point2f(static_cast<float>(view.ground.x + right * view.pixels_per_unit),
                             static_cast<float>(view.ground.y - up * view.pixels_per_unit));
  result.nearness = static_cast<float>(nearness);
  return result;
}

}  // namespace muster::datastore
