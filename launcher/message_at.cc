#include "launcher/message_at.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <vector>

namespace muster::launcher {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::io::Tokenizer;

// The parser has told what is wrong with the text already.
class Silence : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int, int, const std::string&) override {}
};

// Follows braces from token to token.
class OpenMessages {
 public:
  explicit OpenMessages(const Descriptor& root) : open_{{&root, ""}} {}
  const Descriptor* innermost() const { return open_.back().type; }
  void take(const Tokenizer::Token& token) {
    Level& level = open_.back();
    if (token.text == "{" || token.text == "<") {
      open_.push_back({type_of(level), ""});
    } else if (token.text == "}" || token.text == ">") {
      if (open_.size() > 1) open_.pop_back();
    } else if (token.text == "[" || token.text == "]") {
      in_list_ = token.text == "[";
    } else if (token.type == Tokenizer::TYPE_IDENTIFIER && last_ != ":" && !in_list_) {
      level.field = token.text;
    }
    last_ = token.text;
  }

 private:
  struct Level {
    const Descriptor* type;
    std::string field;  // the last one named
  };
  static const Descriptor* type_of(const Level& level) {
    const FieldDescriptor* field =
        level.type == nullptr ? nullptr : level.type->FindFieldByName(level.field);
    return field == nullptr ? nullptr : field->message_type();
  }
  std::vector<Level> open_;
  std::string last_;
  bool in_list_ = false;
};

}  // namespace

const Descriptor* message_at(const Descriptor& root, const std::string& text, int line,
                             int column) {
  google::protobuf::io::ArrayInputStream input(text.data(), static_cast<int>(text.size()));
  Silence silence;
  Tokenizer tokens(&input, &silence);
  // As TextFormat reads.
  tokens.set_comment_style(Tokenizer::SH_COMMENT_STYLE);
  tokens.set_allow_f_after_float(true);
  tokens.set_require_space_after_number(false);
  tokens.set_allow_multiline_strings(true);
  OpenMessages messages(root);
  while (tokens.Next()) {
    const Tokenizer::Token& token = tokens.current();
    if (token.line > line || (token.line == line && token.column >= column)) break;
    messages.take(token);
  }
  return messages.innermost();
}

}  // namespace muster::launcher
