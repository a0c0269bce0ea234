#include "common/error.h"

#include <cerrno>
#include <cstring>

namespace muster::common {
namespace {

std::string sentence(const std::string& object, const std::string& problem,
                     const std::string& remedy) {
  std::string text = object.empty() ? problem : object + ": " + problem;
  if (!remedy.empty()) text += "; " + remedy;
  return text;
}

}  // namespace

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
