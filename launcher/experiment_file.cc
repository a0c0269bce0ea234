#include "launcher/experiment_file.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <cctype>
#include <sstream>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/nearest_name.h"
#include "launcher/message_at.h"
#include "proto/stage.pb.h"

namespace muster::launcher {
namespace {

using common::InputError;
using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::TextFormat;

std::vector<std::string> field_names(const Descriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
  return names;
}

// The parts of `text` between double quotes.
std::vector<std::string> quoted_parts(const std::string& text) {
  std::vector<std::string> parts;
  size_t open = text.find('"');
  while (open != std::string::npos) {
    const size_t close = text.find('"', open + 1);
    if (close == std::string::npos) break;
    parts.push_back(text.substr(open + 1, close - open - 1));
    open = text.find('"', close + 1);
  }
  return parts;
}

std::vector<std::string> enum_names(const google::protobuf::EnumDescriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.value_count(); ++i) names.push_back(type.value(i)->name());
  return names;
}

// "'flaot32' is not one of FLOAT32, FLOAT64; did you mean 'FLOAT32'?"
std::string enum_complaint(const std::string& value, const google::protobuf::EnumDescriptor& type) {
  const std::vector<std::string> names = enum_names(type);
  std::string text = "'" + value + "' is not one of ", upper = value;
  for (size_t i = 0; i < names.size(); ++i) text += (i > 0 ? ", " : "") + names[i];
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char letter) { return std::toupper(letter); });
  const std::string nearest = common::nearest_name(upper, names);
  return text + (nearest.empty() ? "" : "; did you mean '" + nearest + "'?");
}

// Collects every complaint of the parser. Unknown fields come as warnings, so that parsing goes on.
class Complaints : public google::protobuf::io::ErrorCollector {
 public:
  // `text` is what is parsed: an experiment, or "" for the value of one field.
  explicit Complaints(const std::string& path, const std::string& text = "")
      : path_(path), text_(text) {}
  void AddError(int line, int column, const std::string& message) override {
    const std::vector<std::string> parts = quoted_parts(message);  // value, field
    const bool is_enum = message.rfind("Unknown enumeration value", 0) == 0 && parts.size() == 2;
    const auto* type = is_enum ? enum_at(line, column, parts[1]) : nullptr;
    add(line, column,
        type != nullptr ? parts[1] + ": " + enum_complaint(parts[0], *type) : message);
  }
  void AddWarning(int line, int column, const std::string& message) override {
    const std::vector<std::string> parts = quoted_parts(message);
    if (message.find("has no field named") == std::string::npos || parts.size() < 2) {
      add(line, column, message);
      return;
    }
    const Descriptor* type = DescriptorPool::generated_pool()->FindMessageTypeByName(parts[0]);
    add(line, column,
        "unknown field '" + parts[1] + "'; " +
            (type != nullptr ? common::name_hint(parts[1], field_names(*type)) : ""));
  }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  // Null if the message at that place has no enum field of that name.
  const google::protobuf::EnumDescriptor* enum_at(int line, int column,
                                                  const std::string& name) const {
    const Descriptor* message = message_at(*proto::Experiment::descriptor(), text_, line, column);
    const FieldDescriptor* field = message == nullptr ? nullptr : message->FindFieldByName(name);
    return field == nullptr ? nullptr : field->enum_type();
  }
  void add(int line, int column, const std::string& text) {
    lines_.push_back(path_ + ":" + std::to_string(line + 1) + ":" + std::to_string(column + 1) +
                     ": " + text);
  }
  const std::string path_, text_;
  std::vector<std::string> lines_;
};

const char* type_phrase(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      return "a number";
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true or false";
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
      return "a whole number of at least 0";
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
      return "a whole number";
    default:
      return "text";
  }
}

void set_scalar(Message& message, const FieldDescriptor& field, const std::string& value,
                const std::string& path) {
  const Reflection& reflection = *message.GetReflection();
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    if (field.is_repeated()) {
      reflection.AddString(&message, &field, value);
    } else {
      reflection.SetString(&message, &field, value);
    }
    return;
  }
  // Protobuf logs its own complaint unless a collector listens.
  Complaints complaints(path);
  TextFormat::Parser parser;
  parser.RecordErrorsTo(&complaints);
  if (!parser.ParseFieldValueFromString(value, &field, &message)) {
    throw InputError("--set " + path, field.enum_type() != nullptr
                                          ? enum_complaint(value, *field.enum_type())
                                          : "'" + value + "' is not " + type_phrase(field));
  }
}

void set_field(Message& message, const FieldDescriptor& field, const std::string& value,
               const std::string& path) {
  const Reflection& reflection = *message.GetReflection();
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    if (value == "off") {
      reflection.ClearField(&message, &field);
    } else if (value == "on") {
      reflection.MutableMessage(&message, &field);
    } else {
      throw InputError("--set " + path, "is a group of settings: '" + value + "' is not on or off",
                       common::name_hint("", field_names(*field.message_type())));
    }
    return;
  }
  reflection.ClearField(&message, &field);
  if (!field.is_repeated()) {
    set_scalar(message, field, value, path);
    return;
  }
  std::istringstream items(value);
  std::string item;
  while (std::getline(items, item, ',')) set_scalar(message, field, item, path);
}

// As a user says it: "scoring".
std::string stage_name(proto::Stage stage) {
  switch (stage) {
    case proto::EXECUTION:
      return "execution";
    case proto::INGEST:
      return "ingest";
    case proto::TRAIN:
      return "training";
    case proto::EXTRACT:
      return "extraction";
    case proto::SCORE:
      return "scoring";
    case proto::REPORT:
      return "the report";
  }
  return proto::Stage_Name(stage);
}

// The fields that "a.b.c" names, outermost first; all but the last are groups.
std::vector<const FieldDescriptor*> fields_of_path(const Descriptor& root,
                                                   const std::string& path) {
  std::vector<const FieldDescriptor*> fields;
  const Descriptor* type = &root;
  std::istringstream names(path);
  for (std::string name; std::getline(names, name, '.');) {
    if (type == nullptr) {
      throw InputError("--set " + path, "'" + fields.back()->name() + "' has no fields of its own");
    }
    const FieldDescriptor* field = type->FindFieldByName(name);
    if (field == nullptr) {
      throw InputError("--set " + path, "unknown field '" + name + "'",
                       common::name_hint(name, field_names(*type)));
    }
    fields.push_back(field);
    type = field->is_repeated() ? nullptr : field->message_type();
  }
  return fields;
}

// "path=value" in two.
std::pair<std::string, std::string> parts_of_setting(const std::string& setting) {
  const size_t equals = setting.find('=');
  if (equals == std::string::npos || equals == 0 || setting[equals - 1] == '.') {
    throw InputError("--set", "'" + setting + "' is not path=value",
                     "for example training.steps=100");
  }
  return {setting.substr(0, equals), setting.substr(equals + 1)};
}

}  // namespace

void apply_setting(google::protobuf::Message& settings, const std::string& setting) {
  const auto [path, value] = parts_of_setting(setting);
  const auto fields = fields_of_path(*settings.GetDescriptor(), path);
  Message* message = &settings;
  for (size_t i = 0; i + 1 < fields.size(); ++i) {
    message = message->GetReflection()->MutableMessage(message, fields[i]);
  }
  set_field(*message, *fields.back(), value, path);
}

void apply_setting_of_stage(google::protobuf::Message& settings, const std::string& setting,
                            proto::Stage stage) {
  const std::string path = parts_of_setting(setting).first;
  const auto fields = fields_of_path(*settings.GetDescriptor(), path);
  if (!fields.back()->options().HasExtension(proto::stage)) {
    throw InputError("--set " + path, "is a group of settings; name one of its fields");
  }
  const proto::Stage own = fields.back()->options().GetExtension(proto::stage);
  if (own != stage) {
    throw InputError("--set " + path, "does not reach " + stage_name(stage) +
                                          ": it is a setting of " + stage_name(own));
  }
  const Message* message = &settings;
  for (const FieldDescriptor* field : fields) {
    if (field->message_type() == nullptr) break;
    const Reflection& reflection = *message->GetReflection();
    if (const auto* choice = field->containing_oneof(); choice != nullptr) {
      const FieldDescriptor* chosen = reflection.GetOneofFieldDescriptor(*message, choice);
      if (chosen != nullptr && chosen != field) {
        throw InputError("--set " + path, "is of " + field->name() + ", and the " + choice->name() +
                                              " is " + chosen->name());
      }
    }
    message = &reflection.GetMessage(*message, field);
  }
  apply_setting(settings, setting);
}

ExperimentProblems::ExperimentProblems(const std::vector<std::string>& problems)
    : InputError("", std::to_string(problems.size()) +
                         (problems.size() == 1 ? " problem" : " problems") +
                         ", nothing was started") {
  for (const std::string& problem : problems) lines_ += common::one_line(problem) + "\n";
  lines_ += InputError::what();
}

proto::Experiment read_experiment(const std::string& path,
                                  const std::vector<std::string>& settings) {
  const std::string text = common::read_file(path);
  proto::Experiment experiment;
  Complaints complaints(path, text);
  TextFormat::Parser parser;
  parser.RecordErrorsTo(&complaints);
  parser.AllowUnknownField(true);
  const bool parsed = parser.ParseFromString(text, &experiment);
  std::vector<std::string> problems = complaints.lines();
  if (!parsed && problems.empty()) problems.push_back(path + ": cannot be parsed");
  for (const std::string& setting : settings) {
    try {
      apply_setting(experiment, setting);
    } catch (const InputError& failure) {
      problems.emplace_back(failure.what());
    }
  }
  if (!problems.empty()) {
    throw ExperimentProblems(problems);
  }
  return experiment;
}

}  // namespace muster::launcher
