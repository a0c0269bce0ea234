#include "datastore/synthetic/drawing/street_scene.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

namespace muster::datastore {
namespace {

cv::Scalar ink(const Colour& colour) {
  return cv::Scalar(255 * colour[0], 255 * colour[1], 255 * colour[2]);
}

// Shutters, boards or bricks: how surfaces of camera number `style` are structured.
bool raised(int style, int x, int y, int period) {
  const bool column = x % period < period / 2, row = y % period < period / 2;
  if (style % 3 == 0) return column == row;
  return style % 3 == 1 ? column : row;
}

int between(common::KeyedRandom& random, double low, double high) {
  return static_cast<int>(std::lround(random.uniform(low, high)));
}

}  // namespace

StreetScene::StreetScene(const WorldTraits& world, int camera, common::KeyedRandom place,
                         common::KeyedRandom moment, cv::Size size)
    : world_(world) {
  const int margin = size.height / 8;
  panorama_.create(size.height + 2 * margin, 4 * size.width, CV_8UC3);
  horizon_ = static_cast<int>(panorama_.rows * (place.uniform(0.45, 0.62)));
  // Every other camera looks at a light wall over a dark floor, the rest at the reverse.
  const float lighter = (camera % 2 == 0 ? 1 : -1) * static_cast<float>(world.wall_and_floor);
  const Colour lift = Colour::all(lighter);
  paint_surface(camera, 0, horizon_, base_colour(place, moment) + lift, place);
  paint_surface(camera + 1, horizon_, panorama_.rows, base_colour(place, moment) - lift, place);
  paint_wall(place);
  paint_floor(place);
  paint_clutter(moment);
  add_grain(moment);
}

// Grey with some of a random hue.
Colour StreetScene::scene_colour(common::KeyedRandom& random) const {
  const float grey = static_cast<float>(random.uniform(0.15, 0.8));
  Colour colour;
  for (int channel = 0; channel < 3; ++channel) {
    const float hue = static_cast<float>(random.uniform(-1, 1) * world_.backdrop_saturation);
    colour[channel] = std::clamp(grey + 0.75f * hue, 0.03f, 0.97f);
  }
  return colour;
}

// Plaster, stone and asphalt: much alike everywhere, but sun, shade and rain change them from one
// moment to the next.
Colour StreetScene::base_colour(common::KeyedRandom& place, common::KeyedRandom& moment) const {
  Colour colour = 0.12f * scene_colour(place) + Colour::all(0.38f);
  const float shade = static_cast<float>(moment.uniform(-1, 1) * world_.backdrop_change);
  for (int channel = 0; channel < 3; ++channel) {
    const float tint = static_cast<float>(moment.uniform(-1, 1) * world_.backdrop_change);
    colour[channel] = std::clamp(colour[channel] + shade + 0.3f * tint, 0.05f, 0.95f);
  }
  return colour;
}

// Two shades around `base`, so that the mean says little of the structure.
void StreetScene::paint_surface(int style, int top, int bottom, const Colour& base,
                                common::KeyedRandom& place) {
  const float relief = static_cast<float>(world_.relief);
  const Colour tint = style % 2 == 0 ? Colour(0.1f, -0.4f, 0.9f) : Colour(-0.95f, 0.1f, 0.3f);
  Colour shades[2];
  for (int channel = 0; channel < 3; ++channel) {
    const float difference =
        relief * (tint[channel] + static_cast<float>(place.uniform(-0.2, 0.2)));
    shades[0][channel] = std::clamp(base[channel] - difference, 0.02f, 0.98f);
    shades[1][channel] = std::clamp(base[channel] + difference, 0.02f, 0.98f);
  }
  const int period = std::max(4, between(place, 0.07 * panorama_.rows, 0.11 * panorama_.rows));
  const cv::Vec3b inks[2] = {255 * shades[0], 255 * shades[1]};
  for (int y = top; y < bottom; ++y) {
    cv::Vec3b* row = panorama_.ptr<cv::Vec3b>(y);
    for (int x = 0; x < panorama_.cols; ++x) row[x] = inks[raised(style, x, y, period)];
  }
}

void StreetScene::paint_wall(common::KeyedRandom& place) {
  const int width = panorama_.cols;
  const int panels = 2 + static_cast<int>(9 * world_.clutter);
  for (int panel = 0; panel < panels; ++panel) {
    const int left = static_cast<int>(place.below(width));
    const int top = between(place, 0, 0.5 * horizon_);
    const int panel_width = between(place, 0.03 * width, 0.16 * width);
    const cv::Rect area(left, top, panel_width, horizon_ - top);
    cv::rectangle(panorama_, area, ink(scene_colour(place)), cv::FILLED);
    if (place.chance(0.5)) {
      cv::rectangle(panorama_, area, ink(0.5f * scene_colour(place)), 2);
    }
  }
}

void StreetScene::paint_floor(common::KeyedRandom& place) {
  const int width = panorama_.cols, height = panorama_.rows;
  const int kerb = between(place, 2, 0.04 * height);
  cv::rectangle(panorama_, cv::Rect(0, horizon_, width, kerb), ink(scene_colour(place)),
                cv::FILLED);
}

// Posters, poles, bins, cars and patches of light that only this tracklet sees.
void StreetScene::paint_clutter(common::KeyedRandom& moment) {
  const int width = panorama_.cols, height = panorama_.rows;
  const int things = 2 + static_cast<int>(26 * world_.clutter);
  for (int thing = 0; thing < things; ++thing) {
    const int left = static_cast<int>(moment.below(width));
    const Colour colour = scene_colour(moment);
    const double kind = moment.uniform();
    if (kind < 0.2) {  // pole
      const int thickness = between(moment, 0.01 * height, 0.03 * height);
      cv::rectangle(panorama_, cv::Rect(left, 0, thickness, horizon_ + height / 10), ink(colour),
                    cv::FILLED);
    } else if (kind < 0.6) {  // poster or window
      const cv::Rect area(left, between(moment, 0, 0.8 * horizon_),
                          between(moment, 0.05 * height, 0.25 * height),
                          between(moment, 0.06 * height, 0.3 * height));
      cv::rectangle(panorama_, area, ink(colour), cv::FILLED);
      const cv::Rect inner(area.x + area.width / 4, area.y + area.height / 4, area.width / 2,
                           area.height / 3);
      cv::rectangle(panorama_, inner, ink(scene_colour(moment)), cv::FILLED);
    } else if (kind < 0.85) {  // bin, luggage or a parked car
      const int tall = between(moment, 0.08 * height, 0.3 * height);
      const int base = between(moment, horizon_, 0.9 * height);
      cv::rectangle(panorama_,
                    cv::Rect(left, base - tall, between(moment, 0.06 * height, 0.3 * height), tall),
                    ink(colour), cv::FILLED);
    } else {  // plant or a puddle of light on the ground
      const cv::Point centre(left, between(moment, 0.3 * height, height));
      const cv::Size axes(between(moment, 0.05 * height, 0.15 * height),
                          between(moment, 0.03 * height, 0.1 * height));
      cv::ellipse(panorama_, centre, axes, 0, 0, 360, ink(colour), cv::FILLED, cv::LINE_AA);
    }
  }
}

// Uneven surfaces: coarse blotches, then a soft lens.
void StreetScene::add_grain(common::KeyedRandom& moment) {
  cv::Mat coarse(panorama_.rows / 10 + 1, panorama_.cols / 10 + 1, CV_8UC1);
  for (int row = 0; row < coarse.rows; ++row) {
    for (int column = 0; column < coarse.cols; ++column) {
      coarse.at<uint8_t>(row, column) = static_cast<uint8_t>(100 + moment.below(57));
    }
  }
  cv::Mat blotches, blotches_rgb;
  cv::resize(coarse, blotches, panorama_.size(), 0, 0, cv::INTER_LINEAR);
  cv::cvtColor(blotches, blotches_rgb, cv::COLOR_GRAY2BGR);
  cv::multiply(panorama_, blotches_rgb, panorama_, 1.0 / 128);
  cv::blur(panorama_, panorama_, cv::Size(3, 3));
}

void StreetScene::copy_window(double scroll, double rise, cv::Mat& window) const {
  const int width = panorama_.cols;
  const int top = std::clamp(static_cast<int>(std::lround(rise)), 0, panorama_.rows - window.rows);
  int left = static_cast<int>(std::llround(scroll)) % width;
  if (left < 0) left += width;
  const int first = std::min(window.cols, width - left);
  panorama_(cv::Rect(left, top, first, window.rows)).copyTo(window.colRange(0, first));
  if (first < window.cols) {
    panorama_(cv::Rect(0, top, window.cols - first, window.rows))
        .copyTo(window.colRange(first, window.cols));
  }
}

}  // namespace muster::datastore
