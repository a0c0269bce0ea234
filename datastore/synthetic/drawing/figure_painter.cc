#include "datastore/synthetic/drawing/figure_painter.h"

#include <algorithm>
#include <cmath>

#include "datastore/synthetic/drawing/surface_colour.h"

namespace muster::datastore {
namespace {

// Where a pixel lies on a part: `along` 0 to 1 from end to end, `across` -1 to 1; false outside.
class PartGeometry {
 public:
  explicit PartGeometry(const FigurePart& part) : part_(part), axis_(part.to - part.from) {
    length_ = std::max(1e-3f, std::sqrt(axis_.dot(axis_)));
    axis_ *= 1 / length_;
  }

  bool locate(float x, float y, float& along, float& across) const {
    const cv::Point2f offset(x - part_.from.x, y - part_.from.y);
    const float distance = offset.dot(axis_);
    const float sideways = offset.y * axis_.x - offset.x * axis_.y;
    along = distance / length_;
    switch (part_.shape) {
      case Shape::kLimb:
        return on_limb(distance, sideways, along, across);
      case Shape::kTrunk:
        return on_trunk(sideways, along, across);
      case Shape::kHead:
        return on_head(sideways, along, across);
    }
    return false;
  }

 private:
  bool on_limb(float distance, float sideways, float& along, float& across) const {
    along = std::clamp(along, 0.0f, 1.0f);
    const float radius = part_.from_radius + along * (part_.to_radius - part_.from_radius);
    const float beyond = distance - along * length_;
    across = -sideways / radius;
    return sideways * sideways + beyond * beyond <= radius * radius;
  }
  // Straight hem, rounded shoulders.
  bool on_trunk(float sideways, float along, float& across) const {
    if (along < 0 || along > 1) return false;
    float half_width = part_.from_radius + along * (part_.to_radius - part_.from_radius);
    if (along < 0.14f) {
      const float rise = 1 - along / 0.14f;
      half_width *= std::sqrt(1 - 0.72f * rise * rise);
    }
    across = -sideways / half_width;
    return std::abs(across) <= 1;
  }
  bool on_head(float sideways, float along, float& across) const {
    if (along < 0 || along > 1) return false;
    const float rise = 2 * along - 1;
    const float jaw = along > 0.5f ? 1 - 0.25f * rise : 1;
    const float half_width = part_.from_radius * std::sqrt(std::max(0.0f, 1 - rise * rise)) * jaw;
    across = half_width > 0 ? -sideways / half_width : 2;
    return std::abs(across) <= 1;
  }

  const FigurePart& part_;
  cv::Point2f axis_;
  float length_;
};

cv::Rect bounding_box(const FigurePart& part, const cv::Size& size) {
  const float reach = std::max(part.from_radius, part.to_radius) + 1;
  const int left = static_cast<int>(std::floor(std::min(part.from.x, part.to.x) - reach));
  const int right = static_cast<int>(std::ceil(std::max(part.from.x, part.to.x) + reach));
  const int top = static_cast<int>(std::floor(std::min(part.from.y, part.to.y) - reach));
  const int bottom = static_cast<int>(std::ceil(std::max(part.from.y, part.to.y) + reach));
  return cv::Rect(left, top, right - left + 1, bottom - top + 1) & cv::Rect(cv::Point(), size);
}

struct Facing {
  float sine, cosine;
};

SurfacePoint surface_point(const Facing& facing, float along, float across) {
  const float toward = std::sqrt(std::max(0.0f, 1 - across * across));
  SurfacePoint point;
  point.down = along;
  point.ahead = across * facing.sine + toward * facing.cosine;
  point.left = across * facing.cosine - toward * facing.sine;
  return point;
}

void paint_part(const Appearance& person, const FigurePart& part, const Facing& facing,
                const Daylight& light, uint8_t shown, Canvas& canvas) {
  const PartGeometry geometry(part);
  const cv::Rect box = bounding_box(part, canvas.picture.size());
  for (int y = box.y; y < box.y + box.height; ++y) {
    cv::Vec3b* row = canvas.picture.ptr<cv::Vec3b>(y);
    uint8_t* shown_row = canvas.shown.ptr<uint8_t>(y);
    for (int x = box.x; x < box.x + box.width; ++x) {
      float along, across;
      const float centre_x = static_cast<float>(x) + 0.5f;
      if (!geometry.locate(centre_x, static_cast<float>(y) + 0.5f, along, across)) continue;
      const SurfacePoint point = surface_point(facing, along, across);
      const float brightness = 1 - light.contrast * (0.35f - 0.65f * across * light.direction.x +
                                                     0.25f * across * across);
      const Colour colour =
          surface_colour(person, part, point) * (255 * std::min(1.15f, brightness));
      row[x] =
          cv::Vec3b(cv::saturate_cast<uint8_t>(colour[0]), cv::saturate_cast<uint8_t>(colour[1]),
                    cv::saturate_cast<uint8_t>(colour[2]));
      shown_row[x] = shown;
    }
  }
}

}  // namespace

void paint_figure(const Appearance& person, const BodyPose& pose, const View& view,
                  const Daylight& light, bool as_other, Canvas& canvas) {
  const Facing facing{static_cast<float>(std::sin(view.heading)),
                      static_cast<float>(std::cos(view.heading))};
  for (const FigurePart& part : figure_parts(person, pose, view)) {
    const Shown shown = as_other ? Shown::kOther : part.shown;
    paint_part(person, part, facing, light, static_cast<uint8_t>(shown), canvas);
  }
}

}  // namespace muster::datastore
