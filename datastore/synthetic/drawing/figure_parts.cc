#include "datastore/synthetic/drawing/figure_parts.h"

#include <algorithm>
#include <cmath>

namespace muster::datastore {
namespace {

// Adds parts given in body units.
class PartList {
 public:
  PartList(const Appearance& person, const BodyPose& pose, const View& view)
      : person_(person), pose_(pose), view_(view) {}

  // Half width in pixels of an upright body of `half_width` across and `half_depth` front to back.
  float seen(double half_width, double half_depth) const {
    const double across = half_width * std::cos(view_.heading);
    const double along = half_depth * std::sin(view_.heading);
    return static_cast<float>(std::sqrt(across * across + along * along) * view_.pixels_per_unit);
  }
  float pixels(double length) const { return static_cast<float>(length * view_.pixels_per_unit); }
  const cv::Point3d& joint(int index) const { return pose_.joints[index]; }
  const Appearance& person() const { return person_; }

  void add(Shape shape, Material material, Shown shown, const cv::Point3d& from,
           const cv::Point3d& to, float from_radius, float to_radius, double nearness_bias = 0) {
    const ViewedPoint first = viewed(view_, from), second = viewed(view_, to);
    const float nearness =
        0.5f * (first.nearness + second.nearness) + static_cast<float>(nearness_bias);
    parts_.push_back(
        {shape, material, shown, first.pixel, second.pixel, from_radius, to_radius, nearness});
  }

  std::vector<FigurePart> sorted() && {
    std::stable_sort(parts_.begin(), parts_.end(), [](const FigurePart& a, const FigurePart& b) {
      return a.nearness < b.nearness;
    });
    return std::move(parts_);
  }

 private:
  const Appearance& person_;
  const BodyPose& pose_;
  const View& view_;
  std::vector<FigurePart> parts_;
};

void add_leg(PartList& list, int hip, int knee, int ankle, Shown shown) {
  const Appearance& person = list.person();
  const double build = std::sqrt(person.build);
  const bool trousers = person.lower_kind == LowerGarment::kTrousers;
  const Material thigh =
      person.lower_kind == LowerGarment::kSkirt ? Material::kSkin : Material::kLower;
  const Material shin = trousers ? Material::kLower : Material::kSkin;
  const double slim = trousers ? 0 : -0.006;
  const cv::Point3d toe = list.joint(ankle) + cv::Point3d(0.085, 0, -0.018);
  const cv::Point3d heel = list.joint(ankle) + cv::Point3d(-0.01, 0, -0.012);
  list.add(Shape::kLimb, Material::kShoe, shown, heel, toe, list.pixels(0.027), list.pixels(0.02),
           -0.002);
  list.add(Shape::kLimb, shin, shown, list.joint(knee), list.joint(ankle),
           list.pixels((0.046 + slim) * build), list.pixels((0.034 + slim) * build));
  list.add(Shape::kLimb, thigh, shown, list.joint(hip), list.joint(knee),
           list.pixels(0.066 * build), list.pixels((0.047 + slim) * build), -0.06);
}

void add_arm(PartList& list, int shoulder, int elbow, int wrist, Shown shown) {
  const double build = std::sqrt(list.person().build);
  const Material forearm = list.person().long_sleeves ? Material::kSleeve : Material::kSkin;
  const cv::Point3d hand = list.joint(wrist) + 0.22 * (list.joint(wrist) - list.joint(elbow));
  list.add(Shape::kLimb, Material::kSkin, shown, list.joint(wrist), hand, list.pixels(0.021),
           list.pixels(0.019));
  list.add(Shape::kLimb, forearm, shown, list.joint(elbow), list.joint(wrist),
           list.pixels(0.031 * build), list.pixels(0.024 * build));
  list.add(Shape::kLimb, Material::kSleeve, shown, list.joint(shoulder), list.joint(elbow),
           list.pixels(0.039 * build), list.pixels(0.031 * build), 0.001);
}

void add_trunk(PartList& list) {
  const Appearance& person = list.person();
  const cv::Point3d hips = 0.5 * (list.joint(kRightHip) + list.joint(kLeftHip));
  const cv::Point3d shoulders = list.joint(kNeck) - cv::Point3d(0, 0, 0.012);
  const float shoulder_width =
      list.seen(1.08 * person.shoulder_share * std::sqrt(person.build), 0.075 * person.build);
  const float hip_width = list.seen(0.098 * person.build, 0.082 * person.build);
  list.add(Shape::kTrunk, Material::kLower, Shown::kTrunk, hips + cv::Point3d(0, 0, 0.05),
           hips - cv::Point3d(0, 0, 0.045), 0.97f * hip_width, 0.95f * hip_width, -0.004);
  const cv::Point3d hem = hips - cv::Point3d(0, 0, person.coat_length - 0.015);
  list.add(Shape::kTrunk, Material::kUpper, Shown::kTrunk, shoulders, hem, shoulder_width,
           hip_width * static_cast<float>(1.0 + person.coat_length));
  if (person.lower_kind == LowerGarment::kSkirt) {
    const cv::Point3d skirt_hem = hips - cv::Point3d(0, 0, 0.2);
    list.add(Shape::kTrunk, Material::kLower, Shown::kTrunk, hips + cv::Point3d(0, 0, 0.02),
             skirt_hem, hip_width, 1.35f * hip_width, -0.002);
  }
}

void add_head(PartList& list) {
  const Appearance& person = list.person();
  const cv::Point3d neck = list.joint(kNeck), top = list.joint(kHeadTop);
  list.add(Shape::kLimb, Material::kSkin, Shown::kHead, neck + cv::Point3d(0, 0, 0.03),
           neck - cv::Point3d(0, 0, 0.015), list.pixels(0.028), list.pixels(0.034), 0.003);
  const cv::Point3d chin = neck + cv::Point3d(0.012, 0, 0.012);
  list.add(Shape::kHead, Material::kHead, Shown::kHead, top, chin, list.seen(0.05, 0.06),
           list.seen(0.05, 0.06), 0.006);
  if (person.hair_length > 0) {
    const cv::Point3d crown = top - cv::Point3d(0.035, 0, 0.055);
    const cv::Point3d tips = neck - cv::Point3d(0.055, 0, -0.02 + 0.11 * person.hair_length);
    list.add(Shape::kLimb, Material::kHair, Shown::kHead, crown, tips, list.seen(0.05, 0.035),
             list.seen(0.056, 0.03));
  }
}

void add_carried(PartList& list) {
  const Appearance& person = list.person();
  const double side = person.carries_on_left ? 1 : -1;
  const cv::Point3d hips = 0.5 * (list.joint(kRightHip) + list.joint(kLeftHip));
  if (person.carried == Carried::kBackpack) {
    const cv::Point3d high = list.joint(kNeck) - cv::Point3d(0.115 * person.build, 0, 0.035);
    const cv::Point3d low = high - cv::Point3d(0.01, 0, 0.225);
    list.add(Shape::kTrunk, Material::kBag, Shown::kTrunk, high, low, list.seen(0.075, 0.05),
             list.seen(0.09, 0.062));
  } else if (person.carried == Carried::kShoulderBag) {
    const cv::Point3d high = hips + cv::Point3d(-0.01, side * 0.125 * person.build, 0.06);
    const cv::Point3d low = high - cv::Point3d(0, 0, 0.13);
    list.add(Shape::kTrunk, Material::kBag, Shown::kTrunk, high, low, list.seen(0.04, 0.1),
             list.seen(0.045, 0.105), 0.02);
  } else if (person.carried == Carried::kHandBag) {
    const cv::Point3d high = list.joint(person.carries_on_left ? kLeftWrist : kRightWrist) +
                             cv::Point3d(0.01, side * 0.01, -0.045);
    const cv::Point3d low = high - cv::Point3d(0, 0, 0.12);
    list.add(Shape::kTrunk, Material::kBag, Shown::kTrunk, high, low, list.seen(0.035, 0.075),
             list.seen(0.04, 0.085), 0.01);
  }
}

}  // namespace

std::vector<FigurePart> figure_parts(const Appearance& person, const BodyPose& pose,
                                     const View& view) {
  PartList list(person, pose, view);
  add_leg(list, kRightHip, kRightKnee, kRightAnkle, Shown::kRightLeg);
  add_leg(list, kLeftHip, kLeftKnee, kLeftAnkle, Shown::kLeftLeg);
  add_trunk(list);
  add_arm(list, kRightShoulder, kRightElbow, kRightWrist, Shown::kRightArm);
  add_arm(list, kLeftShoulder, kLeftElbow, kLeftWrist, Shown::kLeftArm);
  add_head(list);
  add_carried(list);
  return std::move(list).sorted();
}

}  // namespace muster::datastore
