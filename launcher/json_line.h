// Machine-readable output: one JSON value, one line.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace muster::launcher {

// Bytes of a path that are not UTF-8 become U+FFFD, so that the line is always JSON.
inline std::string json_line(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace muster::launcher
