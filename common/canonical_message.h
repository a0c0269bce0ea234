// The canonical text of a settings message: what differs from the schema's defaults, nothing else.
#pragma once

#include <google/protobuf/message.h>

#include <functional>
#include <string>

namespace muster::common {

// Protobuf text format. Fields that are set to their default are left out; so is what then is
// empty, except a message's mere presence, which can mean something ("loss { identity {} }").
std::string canonical_text(const google::protobuf::Message& message);

// The same without the fields that `ignored` says true of.
std::string canonical_text(
    const google::protobuf::Message& message,
    const std::function<bool(const google::protobuf::FieldDescriptor&)>& ignored);

}  // namespace muster::common
