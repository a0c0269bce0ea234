#include "datastore/synthetic/drawing/surface_colour.h"

#include <cmath>

namespace muster::datastore {
namespace {

// Whether a striped direction shows its accent; `position` in periods.
bool in_stripe(float position) { return position - std::floor(position) < 0.5f; }

Colour patterned(const Garment& garment, const SurfacePoint& point) {
  const auto around = [&] { return 0.5f + std::atan2(point.left, point.ahead) * 0.159155f; };
  switch (garment.pattern) {
    case Pattern::kPlain:
      return garment.base;
    case Pattern::kHorizontalStripes:
      return in_stripe(point.down * garment.repeats) ? garment.base : garment.accent;
    case Pattern::kVerticalStripes:
      return in_stripe(around() * 4 * garment.repeats) ? garment.base : garment.accent;
    case Pattern::kChecks:
      return in_stripe(point.down * garment.repeats) == in_stripe(around() * 3 * garment.repeats)
                 ? garment.base
                 : garment.accent;
    case Pattern::kTwoTone:
      return point.down < 0.48f ? garment.accent : garment.base;
    case Pattern::kLogo:
      return std::abs(point.ahead) > 0.6f && point.down > 0.2f && point.down < 0.55f
                 ? garment.accent
                 : garment.base;
    case Pattern::kOpenFront:
      return point.ahead > 0.75f ? garment.accent : garment.base;
  }
  return garment.base;
}

// Bands of a rucksack or bag over the shoulder.
bool under_strap(const Appearance& person, const SurfacePoint& point) {
  if (person.carried == Carried::kBackpack) {
    return point.ahead > 0 && point.down < 0.55f && std::abs(point.left) > 0.45f &&
           std::abs(point.left) < 0.72f;
  }
  if (person.carried == Carried::kShoulderBag) {
    const float side = person.carries_on_left ? point.left : -point.left;
    return std::abs(point.down - 0.5f - 0.5f * side) < 0.06f;
  }
  return false;
}

Colour head_colour(const Appearance& person, const SurfacePoint& point) {
  const bool hairline = point.down < 0.24f;
  const bool back = point.ahead < -0.1f + 0.25f * static_cast<float>(person.hair_length > 0);
  if (hairline || (back && point.down < 0.82f)) return person.hair;
  const bool eyes = std::abs(point.down - 0.45f) < 0.05f && point.ahead > 0.6f &&
                    std::abs(point.left) > 0.15f && std::abs(point.left) < 0.6f;
  return eyes ? 0.45f * person.skin : person.skin;
}

}  // namespace

Colour surface_colour(const Appearance& person, const FigurePart& part, const SurfacePoint& point) {
  switch (part.material) {
    case Material::kUpper:
      return under_strap(person, point) ? person.bag : patterned(person.upper, point);
    case Material::kSleeve:
      if (person.accent_sleeves) return person.upper.accent;
      if (person.upper.pattern == Pattern::kHorizontalStripes ||
          person.upper.pattern == Pattern::kChecks) {
        return patterned(person.upper, point);
      }
      return person.upper.base;
    case Material::kLower:
      return patterned(person.lower, point);
    case Material::kSkin:
      return person.skin;
    case Material::kHair:
      return person.hair;
    case Material::kHead:
      return head_colour(person, point);
    case Material::kShoe:
      return person.shoes;
    case Material::kBag:
      return point.down < 0.25f ? 0.75f * person.bag : person.bag;
  }
  return person.skin;
}

}  // namespace muster::datastore
