#include "datastore/joints_file.h"

#include <charconv>
#include <cmath>
#include <sstream>
#include <string>

#include "common/atomic_file.h"
#include "common/error.h"

namespace muster::datastore {
namespace {

using common::InputError;

std::vector<float> numbers_of_row(const std::string& line, const std::filesystem::path& path) {
  std::istringstream cells(line);
  std::string cell;
  std::getline(cells, cell, ',');  // the frame's name
  std::vector<float> values;
  while (std::getline(cells, cell, ',')) {
    float value = 0;
    const auto end = cell.data() + cell.size();
    const auto parsed = std::from_chars(cell.data(), end, value);
    if (parsed.ec != std::errc() || parsed.ptr != end || !std::isfinite(value)) {
      throw InputError(path.string(), "holds '" + cell + "' where a number should be");
    }
    values.push_back(value);
  }
  if (values.size() != size_t{kJointCount} * 3) {
    throw InputError(path.string(),
                     "a row has " + std::to_string(values.size()) + " numbers instead of 42");
  }
  return values;
}

}  // namespace

std::vector<Joint> read_joints_file(const std::filesystem::path& path, int64_t frames) {
  std::istringstream in(common::read_file(path));
  std::string line;
  std::getline(in, line);
  std::vector<Joint> joints;
  while (std::getline(in, line)) {
    const std::vector<float> values = numbers_of_row(line, path);
    for (size_t i = 0; i < values.size(); i += 3) {
      joints.push_back({values[i], values[i + 1], values[i + 2]});
    }
  }
  if (joints.size() != static_cast<size_t>(frames) * kJointCount) {
    throw InputError(path.string(),
                     "does not have one row for each of the " + std::to_string(frames) + " frames");
  }
  return joints;
}

std::string joints_text(const std::vector<std::string>& frame_names,
                        const std::vector<Joint>& joints) {
  MUSTER_REQUIRE(joints.size(), ==, frame_names.size() * kJointCount);
  std::string text = "frame";
  for (int joint = 1; joint <= kJointCount; ++joint) {
    const std::string number = std::to_string(joint);
    text += ",x" + number + ",y" + number + ",c" + number;
  }
  text += "\n";
  const auto add = [&](float value) {
    char digits[32];
    const auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
    text.append(1, ',').append(digits, end);
  };
  for (size_t frame = 0; frame < frame_names.size(); ++frame) {
    text += frame_names[frame];
    for (size_t joint = 0; joint < kJointCount; ++joint) {
      const Joint& place = joints[frame * kJointCount + joint];
      add(place.x);
      add(place.y);
      add(place.confidence);
    }
    text += "\n";
  }
  return text;
}

}  // namespace muster::datastore
