// Which message a place in protobuf text lies in. The parser's complaints name only the last field.
#pragma once

#include <google/protobuf/descriptor.h>

#include <string>

namespace muster::launcher {

// The innermost message that is open just before that line and column, counted from 0 as protobuf's
// error collectors count; `text` is a message of the type `root`. Null inside a field that the
// types do not have.
const google::protobuf::Descriptor* message_at(const google::protobuf::Descriptor& root,
                                               const std::string& text, int line, int column);

}  // namespace muster::launcher
