#include "datastore/resample.h"

#include <gtest/gtest.h>

#include <cmath>

namespace muster::datastore {
namespace {

// A round spot of light.
Image spot(int height, int width, double x, double y) {
  Image image{height, width, {}};
  for (int row = 0; row < height; ++row) {
    for (int column = 0; column < width; ++column) {
      const double distance = std::hypot(column - x, row - y);
      const auto value =
          static_cast<uint8_t>(std::lround(255 * std::exp(-distance * distance / 18)));
      image.rgb.insert(image.rgb.end(), 3, value);
    }
  }
  return image;
}

struct Centre {
  double x = 0, y = 0;
};

// Of the light, pixels counted from 0.
Centre centre_of_light(const Image& image) {
  Centre centre;
  double all = 0;
  for (int row = 0; row < image.height; ++row) {
    for (int column = 0; column < image.width; ++column) {
      const double light = image.rgb[3 * (static_cast<size_t>(row) * image.width + column)];
      centre.x += column * light;
      centre.y += row * light;
      all += light;
    }
  }
  return {centre.x / all, centre.y / all};
}

TEST(ResizedPlaceTest, GoesWhereThePictureGoes) {
  const Image source = spot(64, 48, 20, 33);
  for (const auto& [height, width] : {std::pair<int, int>(128, 192), {32, 12}, {80, 48}}) {
    const Centre centre = centre_of_light(resized(source, height, width));
    EXPECT_NEAR(resized_place(20, 48, width), centre.x, 0.05) << height << "x" << width;
    EXPECT_NEAR(resized_place(33, 64, height), centre.y, 0.05) << height << "x" << width;
  }
}

TEST(ResizedPlaceTest, TheSameSizeChangesNoBit) {
  for (const float place : {0.1f, 1e-7f, -1234.567f, 3e8f}) {
    EXPECT_EQ(resized_place(place, 77, 77), place);
  }
}

}  // namespace
}  // namespace muster::datastore
