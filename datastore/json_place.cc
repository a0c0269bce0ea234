#include "datastore/json_place.h"

#include <nlohmann/json.hpp>

#include "common/error.h"

namespace muster::datastore {

using nlohmann::json;

namespace {
constexpr char kRemedy[] =
    "restore it from a copy, or remove it and run the command that made it again";
}

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
  constexpr size_t kTold = 60;
  std::string content = value_->dump(-1, ' ', true, json::error_handler_t::replace);
  if (content.size() > kTold) content = content.substr(0, kTold) + "...";
  throw common::InputError(
      file_, (path_.empty() ? "the whole" : path_) + " is " + content + ", " + rest, kRemedy);
}

}  // namespace muster::datastore
