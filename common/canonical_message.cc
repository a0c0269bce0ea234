#include "common/canonical_message.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/text_format.h>

#include <functional>
#include <memory>
#include <vector>

namespace muster::common {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

bool equals_default(const Message& message, const FieldDescriptor* field) {
  const Reflection& reflection = *message.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection.GetInt32(message, field) == field->default_value_int32();
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection.GetInt64(message, field) == field->default_value_int64();
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection.GetUInt32(message, field) == field->default_value_uint32();
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection.GetUInt64(message, field) == field->default_value_uint64();
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.GetDouble(message, field) == field->default_value_double();
    case FieldDescriptor::CPPTYPE_FLOAT:
      return reflection.GetFloat(message, field) == field->default_value_float();
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, field) == field->default_value_bool();
    case FieldDescriptor::CPPTYPE_ENUM:
      return reflection.GetEnum(message, field) == field->default_value_enum();
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.GetString(message, field) == field->default_value_string();
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  return false;
}

bool is_empty(const Message& message) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  return fields.empty();
}

bool presence_counts(const FieldDescriptor& field) {
  return field.containing_oneof() != nullptr ||
         field.options().GetExtension(proto::presence_counts);
}

// Of fields that are no messages.
using Ignored = std::function<bool(const FieldDescriptor&)>;

void drop_defaults(Message& message, const Ignored& ignored) {
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    bool dropped = false;
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
      dropped = ignored(*field) || (!field->is_repeated() && equals_default(message, field));
    } else if (field->is_repeated()) {
      for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
        drop_defaults(*reflection.MutableRepeatedMessage(&message, field, i), ignored);
      }
    } else {
      Message& group = *reflection.MutableMessage(&message, field);
      drop_defaults(group, ignored);
      dropped = is_empty(group) && !presence_counts(*field);
    }
    if (dropped) reflection.ClearField(&message, field);
  }
}

std::string text_without(const Message& message, const Ignored& ignored) {
  const std::unique_ptr<Message> copy(message.New());
  copy->CopyFrom(message);
  drop_defaults(*copy, ignored);
  std::string text;
  google::protobuf::TextFormat::PrintToString(*copy, &text);
  return text;
}

}  // namespace

std::string canonical_text(const Message& message) {
  return text_without(message, [](const FieldDescriptor&) { return false; });
}

std::string settings_of(const Message& message, const std::set<proto::Stage>& stages) {
  return text_without(message, [&](const FieldDescriptor& field) {
    return !field.options().HasExtension(proto::stage) ||
           stages.count(field.options().GetExtension(proto::stage)) == 0;
  });
}

}  // namespace muster::common
