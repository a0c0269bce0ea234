#include "common/error.h"

#include <cerrno>
#include <cstring>

namespace muster::common {
namespace {

std::string sentence(const std::string& object, const std::string& problem,
                     const std::string& remedy) {
  std::string text = object.empty() ? problem : object + ": " + problem;
  if (!remedy.empty()) text += "; " + remedy;
  return one_line(text);
}

// Bytes at `at` that are a control character: one of ASCII, or one of U+0080 to U+009F in UTF-8.
size_t control_bytes(const std::string& text, size_t at) {
  const auto byte = [&](size_t place) { return static_cast<unsigned char>(text[place]); };
  if (byte(at) < 0x20 || byte(at) == 0x7f) return 1;
  const bool two = byte(at) == 0xc2 && at + 1 < text.size();
  return two && byte(at + 1) >= 0x80 && byte(at + 1) < 0xa0 ? 2 : 0;
}

}  // namespace

std::string one_line(const std::string& text) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string line;
  for (size_t at = 0; at < text.size();) {
    const size_t controls = control_bytes(text, at);
    if (controls == 0) {
      line += text[at++];
    } else if (text[at] == '\n') {
      line += "\\n";
      ++at;
    } else {
      for (const size_t end = at + controls; at < end; ++at) {
        const auto byte = static_cast<unsigned char>(text[at]);
        line += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
      }
    }
  }
  return line;
}

Error::Error(const std::string& object, const std::string& problem, const std::string& remedy)
    : std::runtime_error(sentence(object, problem, remedy)),
      object_(object),
      problem_(problem),
      remedy_(remedy) {}

std::string remedy_for(int error_number) {
  const bool full = error_number == ENOSPC || error_number == EDQUOT || error_number == EFBIG;
  return full ? "make room and run the same command again" : "";
}

SystemError system_call_error(const std::string& object, const std::string& call,
                              int error_number) {
  return SystemError(object, call + " failed: " + std::strerror(error_number),
                     remedy_for(error_number));
}

namespace detail {

void requirement_failed(const char* expression, const std::string& left, const std::string& right,
                        const char* file, int line) {
  throw RequirementError(std::string("internal requirement failed: ") + expression + " with " +
                         left + " and " + right + " at " + file + ":" + std::to_string(line));
}

}  // namespace detail
}  // namespace muster::common
