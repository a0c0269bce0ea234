#include "trainer/input_recipe.h"

#include <cmath>

#include "common/error.h"
#include "common/number_text.h"

namespace muster::trainer {
namespace {

using common::InputError;
using datastore::ClipFormat;

ClipFormat format_of_network(const models::InputFormat& network) {
  ClipFormat format;
  format.resize_height = network.resize_height;
  format.resize_width = network.resize_width;
  format.crop_height = network.crop_height;
  format.crop_width = network.crop_width;
  format.flow = network.flow;
  format.divide_by_root_of_deviation = network.divide_by_root_of_deviation;
  format.vertical_flow_first = network.vertical_flow_first;
  format.joints = network.joints || network.learns_joints;
  switch (network.colour) {
    case models::InputColour::kYuv:
      format.colour = datastore::ColourSpace::kYuv;
      break;
    case models::InputColour::kRgb:
      format.colour = datastore::ColourSpace::kRgb;
      break;
    case models::InputColour::kBgr:
      format.colour = datastore::ColourSpace::kBgr;
      break;
  }
  switch (network.interpolation) {
    case models::InputInterpolation::kArea:
      format.interpolation = datastore::Interpolation::kArea;
      break;
    case models::InputInterpolation::kBilinear:
      format.interpolation = datastore::Interpolation::kBilinear;
      break;
    case models::InputInterpolation::kBicubic:
      format.interpolation = datastore::Interpolation::kBicubic;
      break;
  }
  if (network.fixed_normalisation) {
    format.normalisation = datastore::Normalisation::kFixed;
    format.subtract_window_mean = false;
    format.mean = network.mean;
    format.deviation = network.deviation;
  }
  return format;
}

void take_size(int size, int window, const std::string& field, int& target) {
  constexpr int kLargest = 8192;
  if (size == 0) return;
  if (size < window || size > kLargest) {
    throw InputError("model.input." + field,
                     std::to_string(size) + " is not in " + std::to_string(window) +
                         " (the network's window) to " + std::to_string(kLargest));
  }
  target = size;
}

void take_channels(const google::protobuf::RepeatedField<double>& numbers, bool is_divisor,
                   const std::string& field, std::array<float, 3>& target) {
  if (numbers.empty()) return;
  if (numbers.size() != 3) {
    throw InputError("model.input." + field,
                     "has " + std::to_string(numbers.size()) + " numbers instead of 3");
  }
  for (int i = 0; i < 3; ++i) {
    const auto number = static_cast<float>(numbers[i]);
    if (!std::isfinite(number) || (is_divisor && number <= 0)) {
      throw InputError("model.input." + field, common::number_text(numbers[i]) + " is not " +
                                                   (is_divisor ? "positive" : "a finite number"));
    }
    target[static_cast<size_t>(i)] = number;
  }
}

void take_normalisation(const proto::Input& settings, ClipFormat& format) {
  if (settings.normalisation() == proto::PER_FRAME) {
    format.normalisation = datastore::Normalisation::kPerFrame;
  } else if (settings.normalisation() == proto::FIXED) {
    format.normalisation = datastore::Normalisation::kFixed;
    format.subtract_window_mean = false;
    if (format.divide_by_root_of_deviation) {
      throw InputError("model.input.normalisation",
                       "FIXED has no deviation of a frame whose root could divide",
                       "unset divide_by_root_of_deviation");
    }
  }
  const bool fixed = format.normalisation == datastore::Normalisation::kFixed;
  if (!fixed && settings.mean_size() + settings.deviation_size() > 0) {
    throw InputError(settings.mean_size() > 0 ? "model.input.mean" : "model.input.deviation",
                     "has no meaning without normalisation FIXED");
  }
  take_channels(settings.mean(), false, "mean", format.mean);
  take_channels(settings.deviation(), true, "deviation", format.deviation);
}

}  // namespace

ClipFormat clip_format(const models::InputFormat& network, const proto::Input& settings) {
  using datastore::ColourSpace;
  using datastore::Interpolation;
  using datastore::ValueRange;
  ClipFormat format = format_of_network(network);
  take_size(settings.resize_height(), format.crop_height, "resize_height", format.resize_height);
  take_size(settings.resize_width(), format.crop_width, "resize_width", format.resize_width);
  if (settings.interpolation() == proto::AREA) format.interpolation = Interpolation::kArea;
  if (settings.interpolation() == proto::BILINEAR) format.interpolation = Interpolation::kBilinear;
  if (settings.interpolation() == proto::BICUBIC) format.interpolation = Interpolation::kBicubic;
  if (settings.colour() == proto::YUV) format.colour = ColourSpace::kYuv;
  if (settings.colour() == proto::RGB) format.colour = ColourSpace::kRgb;
  if (settings.colour() == proto::BGR) format.colour = ColourSpace::kBgr;
  if (settings.range() == proto::UNIT) format.range = ValueRange::kUnit;
  if (settings.range() == proto::BYTES) format.range = ValueRange::kBytes;
  take_normalisation(settings, format);
  return format;
}

}  // namespace muster::trainer
