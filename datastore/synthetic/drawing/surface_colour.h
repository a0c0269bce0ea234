// The colour of a point on a person's clothes, hair, skin or bag.
#pragma once

#include "datastore/synthetic/drawing/figure_parts.h"

namespace muster::datastore {

// Where on a part: `down` 0 at its upper end to 1; `ahead` and `left` are the surface's direction
// in body axes, each -1 to 1.
struct SurfacePoint {
  float down = 0, ahead = 0, left = 0;
};

Colour surface_colour(const Appearance& person, const FigurePart& part, const SurfacePoint& point);

}  // namespace muster::datastore
