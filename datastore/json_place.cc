#include "datastore/json_place.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/error.h"

namespace muster::datastore {

using nlohmann::json;

namespace {
constexpr char kRemedy[] =
    "restore it from a copy, or remove it and run the command that made it again";

// For people. The library writes what lies inside a value by recursion, so that depth would end the
// program.
std::string told(const json& value) {
  constexpr size_t kMostItems = 16, kMostLetters = 60;
  const bool is_flat = std::none_of(value.begin(), value.end(),
                                    [](const json& item) { return item.is_structured(); });
  if (value.is_structured() && (!is_flat || value.size() > kMostItems)) {
    return value.is_array() ? "a list" : "an object";
  }
  const std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  return text.size() > kMostLetters ? text.substr(0, kMostLetters) + "..." : text;
}

}  // namespace

JsonPlace::JsonPlace(const json& value, std::string file, std::string path)
    : value_(&value), file_(std::move(file)), path_(std::move(path)) {}

JsonPlace JsonPlace::at(const std::string& name) const {
  const std::string path = path_.empty() ? name : path_ + "." + name;
  if (!value_->is_object()) refuse("not an object");
  const auto found = value_->find(name);
  if (found == value_->end()) {
    throw common::InputError(file_, path + " is missing", kRemedy);
  }
  return {*found, file_, path};
}

std::vector<JsonPlace> JsonPlace::items() const {
  if (!value_->is_array()) refuse("not a list");
  std::vector<JsonPlace> places;
  for (const json& item : *value_) {
    places.push_back({item, file_, path_ + "[" + std::to_string(places.size()) + "]"});
  }
  return places;
}

std::string JsonPlace::text() const {
  if (!value_->is_string()) refuse("not a text");
  return value_->get<std::string>();
}

bool JsonPlace::truth() const {
  if (!value_->is_boolean()) refuse("neither true nor false");
  return value_->get<bool>();
}

int64_t JsonPlace::whole(int64_t lowest, int64_t highest) const {
  // The library would cut a fraction off and let a large number begin again at the lowest.
  const bool fits = value_->is_number_unsigned()
                        ? value_->get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX)
                        : value_->is_number_integer();
  if (!fits || value_->get<int64_t>() < lowest || value_->get<int64_t>() > highest) {
    refuse("not a whole number from " + std::to_string(lowest) + " to " + std::to_string(highest));
  }
  return value_->get<int64_t>();
}

void JsonPlace::refuse(const std::string& rest) const {
  throw common::InputError(
      file_, (path_.empty() ? "the whole" : path_) + " is " + told(*value_) + ", " + rest, kRemedy);
}

}  // namespace muster::datastore
