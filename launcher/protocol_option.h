// Names of protocols that a user writes.
#pragma once

#include <string>

#include "common/error.h"
#include "common/nearest_name.h"
#include "datastore/protocol.h"

namespace muster::launcher {

// `option` is what the name stands in: "--protocol". Throws InputError with the nearest known name.
inline void require_known_protocol(const std::string& option, const std::string& name) {
  for (const datastore::Protocol& protocol : datastore::protocol_catalog()) {
    if (protocol.name == name) return;
  }
  throw common::InputError(option + " '" + name + "'", "is not known",
                           common::name_hint(name, datastore::protocol_names()));
}

// All names in one line, for --help.
inline std::string protocol_list() {
  std::string list;
  for (const std::string& name : datastore::protocol_names()) {
    list += (list.empty() ? "" : ", ") + name;
  }
  return list;
}

}  // namespace muster::launcher
