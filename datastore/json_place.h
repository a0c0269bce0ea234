// A value inside a JSON file that anyone may have written. Every look at it says what is expected
// there; what is not so is an InputError that names file and field: "PATH: shards[3].bytes is -1,
// not a whole number from 1 to 9". No thread may share one.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace muster::datastore {

class JsonPlace {
 public:
  // `value` must outlive this and all places made from it.
  JsonPlace(const nlohmann::json& value, std::string file) : JsonPlace(value, file, "") {}
  JsonPlace at(const std::string& name) const;  // of an object
  std::vector<JsonPlace> items() const;         // of a list
  std::string text() const;
  bool truth() const;
  // Numbers with a fraction and truth values are none.
  int64_t whole(int64_t lowest, int64_t highest) const;
  // Throws: "FILE: THIS PLACE is VALUE, " and the rest.
  [[noreturn]] void refuse(const std::string& rest) const;

 private:
  JsonPlace(const nlohmann::json& value, std::string file, std::string path);
  const nlohmann::json* value_;
  std::string file_, path_;
};

}  // namespace muster::datastore
