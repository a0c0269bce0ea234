// The canonical text of a settings message: what differs from the schema's defaults, nothing else.
#pragma once

#include <google/protobuf/message.h>

#include <set>
#include <string>

#include "proto/stage.pb.h"

namespace muster::common {

// Protobuf text format. Fields that are set to their default are left out; so is a group that then
// is empty, unless it is a member of a oneof, an item of a list, or says by being there that
// something is on ((presence_counts) in proto/stage.proto).
std::string canonical_text(const google::protobuf::Message& message);

// The same of the settings of these stages alone: equal texts, equal results of the stages.
std::string settings_of(const google::protobuf::Message& message,
                        const std::set<proto::Stage>& stages);

}  // namespace muster::common
