// Paints a figure into a picture.
#pragma once

#include <opencv2/core.hpp>

#include "datastore/synthetic/drawing/figure_parts.h"

namespace muster::datastore {

// What light does before the camera: where it comes from and how hard its shadows are.
struct Daylight {
  cv::Point2f direction = {-0.6f, -0.5f};  // picture axes, towards the light, length up to 1
  float contrast = 0.35f;                  // 0 flat to 1
};

struct Canvas {
  cv::Mat picture;  // CV_8UC3
  cv::Mat shown;    // CV_8UC1 of Shown
};

// `as_other` marks the pixels as hiding the followed person.
void paint_figure(const Appearance& person, const BodyPose& pose, const View& view,
                  const Daylight& light, bool as_other, Canvas& canvas);

}  // namespace muster::datastore
