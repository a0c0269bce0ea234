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

}  // namespace muster::datastore
