#include "datastore/person_detector.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <opencv2/objdetect.hpp>
#include <tuple>

#include "common/error.h"

namespace muster::datastore {
namespace {

// The SVM was trained on windows of 64x128 that show a body of 48x96 in a rim of 8 and 16 pixels.
constexpr int kWindowWidth = 64, kWindowHeight = 128, kRimX = 8, kRimY = 16;
constexpr double kBodyHeight = kWindowHeight - 2 * kRimY;
constexpr int kStride = 8;    // pixels between windows, at the window's scale
constexpr int kPadding = 16;  // windows may begin this far outside

// By falling score; ties by place, so that the order never depends on the search.
bool better(const PersonBox& left, const PersonBox& right) {
  return std::make_tuple(-left.score, left.y, left.x, left.height) <
         std::make_tuple(-right.score, right.y, right.x, right.height);
}

double intersection_area(const PersonBox& left, const PersonBox& right) {
  const double width =
      std::min(left.x + left.width, right.x + right.width) - std::max(left.x, right.x);
  const double height =
      std::min(left.y + left.height, right.y + right.height) - std::max(left.y, right.y);
  return width > 0 && height > 0 ? width * height : 0;
}

// The share of the smaller box that the other one covers.
double coverage(const PersonBox& left, const PersonBox& right) {
  return intersection_area(left, right) /
         std::min(left.width * left.height, right.width * right.height);
}

// Mean of a group's boxes weighted by score: evens out the steps of 8 pixels that windows come in.
PersonBox merged(const std::vector<PersonBox>& group) {
  double weights = 0, x = 0, y = 0, width = 0, height = 0;
  for (const PersonBox& box : group) {
    const double weight = std::max(0.0f, box.score) + 0.05;
    weights += weight;
    x += weight * (box.x + 0.5 * box.width);
    y += weight * (box.y + 0.5 * box.height);
    width += weight * box.width;
    height += weight * box.height;
  }
  width /= weights;
  height /= weights;
  return {float(x / weights - 0.5 * width), float(y / weights - 0.5 * height), float(width),
          float(height), group.front().score};
}

std::vector<PersonBox> without_duplicates(std::vector<PersonBox> boxes, double merge_overlap) {
  std::sort(boxes.begin(), boxes.end(), better);
  std::vector<std::vector<PersonBox>> groups;
  for (const PersonBox& box : boxes) {
    bool duplicate = false;
    for (auto& group : groups) {
      const double overlap = intersection_over_union(group.front(), box);
      duplicate = overlap > merge_overlap || coverage(group.front(), box) > 0.75;
      if (overlap > merge_overlap) group.push_back(box);
      if (duplicate) break;
    }
    if (!duplicate) groups.push_back({box});
  }
  std::vector<PersonBox> people;
  for (const auto& group : groups) people.push_back(merged(group));
  return people;
}

}  // namespace

double intersection_over_union(const PersonBox& left, const PersonBox& right) {
  const double common = intersection_area(left, right);
  const double total = double(left.width) * left.height + double(right.width) * right.height;
  return common > 0 ? common / (total - common) : 0;
}

void ClothingColours::approach(const ClothingColours& other, float share) {
  for (size_t half = 0; half < shares.size(); ++half) {
    for (size_t bin = 0; bin < shares[half].size(); ++bin) {
      shares[half][bin] += share * (other.shares[half][bin] - shares[half][bin]);
    }
  }
}

ClothingColours clothing_colours(const Image& image, const PersonBox& box) {
  ClothingColours colours;
  const int first_column = std::max(0, int(box.x + 0.3 * box.width));
  const int last_column = std::min(image.width - 1, int(box.x + 0.7 * box.width));
  for (size_t half = 0; half < colours.shares.size(); ++half) {
    const double top = box.y + box.height * (half == 0 ? 0.15 : 0.5);
    const int first_row = std::max(0, int(top));
    const int last_row = std::min(image.height - 1, int(top + 0.35 * box.height));
    const int pixels = (last_row - first_row + 1) * (last_column - first_column + 1);
    for (int y = first_row; y <= last_row; ++y) {
      for (int x = first_column; x <= last_column; ++x) {
        const uint8_t* rgb = &image.rgb[(size_t(y) * image.width + x) * 3];
        const int bin = (rgb[0] / 64) * 16 + (rgb[1] / 64) * 4 + rgb[2] / 64;
        colours.shares[half][bin] += 1.0f / float(pixels);
      }
    }
  }
  return colours;
}

double likeness(const ClothingColours& left, const ClothingColours& right) {
  std::array<double, 2> sums{};
  for (size_t half = 0; half < sums.size(); ++half) {
    for (size_t bin = 0; bin < left.shares[half].size(); ++bin) {
      sums[half] += std::sqrt(left.shares[half][bin] * right.shares[half][bin]);
    }
  }
  return std::min(sums[0], sums[1]);
}

struct PersonDetector::State {
  DetectorOptions options;
  cv::HOGDescriptor descriptor;
};

PersonDetector::PersonDetector(const DetectorOptions& options) : state_(std::make_unique<State>()) {
  MUSTER_REQUIRE(options.scale_step, >, 1.0);
  MUSTER_REQUIRE(options.smallest_person_pixels, >=, 8.0);
  state_->options = options;
  state_->descriptor.setSVMDetector(cv::HOGDescriptor::getDefaultPeopleDetector());
}

PersonDetector::~PersonDetector() = default;

// The pyramid is walked here rather than by OpenCV's detectMultiScale, which would start threads of
// its own and return windows in the order in which they finish.
std::vector<PersonBox> PersonDetector::detect(const Image& image) const {
  const DetectorOptions& options = state_->options;
  const cv::Mat frame(image.height, image.width, CV_8UC3, const_cast<uint8_t*>(image.rgb.data()));
  std::vector<PersonBox> boxes;
  std::vector<cv::Point> corners;
  std::vector<double> scores;
  for (double height = options.smallest_person_pixels; height <= options.largest_person_pixels;
       height *= options.scale_step) {
    const double scale = height / kBodyHeight;
    const cv::Size size(int(std::lround(image.width / scale)),
                        int(std::lround(image.height / scale)));
    if (size.width + 2 * kPadding < kWindowWidth || size.height + 2 * kPadding < kWindowHeight) {
      break;
    }
    cv::Mat level;
    cv::resize(frame, level, size, 0, 0, cv::INTER_LINEAR_EXACT);
    state_->descriptor.detect(level, corners, scores, options.minimum_score,
                              cv::Size(kStride, kStride), cv::Size(kPadding, kPadding));
    for (size_t found = 0; found < corners.size(); ++found) {
      boxes.push_back({float((corners[found].x + kRimX) * scale),
                       float((corners[found].y + kRimY) * scale),
                       float((kWindowWidth - 2 * kRimX) * scale), float(kBodyHeight * scale),
                       float(scores[found])});
    }
  }
  return without_duplicates(std::move(boxes), options.merge_overlap);
}

}  // namespace muster::datastore
