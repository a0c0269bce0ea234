// Upright people in one frame, by histograms of oriented gradients and OpenCV's pedestrian SVM, and
// what tells whether two boxes show the same one.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "datastore/image.h"

namespace muster::datastore {

// Pixels of the frame; x, y is the upper left corner and may lie outside.
struct PersonBox {
  float x = 0, y = 0, width = 0, height = 0;
  float score = 0;  // SVM margin: 0 is a coin's toss, 1 is fairly sure
};

// Area of the intersection over area of the union, 0 to 1.
double intersection_over_union(const PersonBox& left, const PersonBox& right);

// RGB histograms of the upper and the lower body, each of sum 1: [half, red x green x blue].
struct ClothingColours {
  std::array<std::array<float, 64>, 2> shares{};
  void approach(const ClothingColours& other, float share);  // by `share` of the way
};

// Of the middle of the box; all zero where it lies outside the image.
ClothingColours clothing_colours(const Image& image, const PersonBox& box);

// Bhattacharyya coefficient of the half that differs more: 1 for equal, 0 for disjoint histograms.
double likeness(const ClothingColours& left, const ClothingColours& right);

struct DetectorOptions {
  double minimum_score = 0.0;
  // Heights of people that are looked for, pixels; the time goes with 1 / smallest squared.
  double smallest_person_pixels = 64;
  double largest_person_pixels = 400;
  double scale_step = 1.12;  // ratio of neighbouring sizes
  // Boxes that overlap a better one by more than this are merged into it.
  double merge_overlap = 0.4;
};

// detect() may be called from several threads at once; each call keeps to its own thread.
class PersonDetector {
 public:
  explicit PersonDetector(const DetectorOptions& options = {});
  ~PersonDetector();

  // People by falling score. Boxes fit the body (width : height = 1 : 2), without the rim of the
  // detector's window. The same image gives the same boxes.
  std::vector<PersonBox> detect(const Image& image) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace muster::datastore
