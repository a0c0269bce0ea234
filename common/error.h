// The two kinds of failure.
//
// The world's or the caller's fault is an Error that names its object: InputError for what a user
// can mend by typing something else (exit code 2), SystemError for a disk, a file or a peer that
// failed (exit code 1). Our own fault is a RequirementError from MUSTER_REQUIRE, with both operands
// printed. Only the two main files turn them into exit codes.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace muster::common {

// For names that come from a disk or a user: control characters as \n or \x1b, so that no name
// breaks a line or moves a cursor.
std::string one_line(const std::string& text);

// `object` is the file, field, rank, run or dataset the failure is about; `what()` is one line of
// the form "object: problem; remedy", the parts in it as one_line() has them.
class Error : public std::runtime_error {
 public:
  Error(const std::string& object, const std::string& problem, const std::string& remedy = "");
  const std::string& object() const { return object_; }
  const std::string& problem() const { return problem_; }
  const std::string& remedy() const { return remedy_; }

 private:
  std::string object_, problem_, remedy_;
};

class InputError : public Error {
 public:
  using Error::Error;
};

class SystemError : public Error {
 public:
  using Error::Error;
};

// The remedy for a full disk; "" for any other error number.
std::string remedy_for(int error_number);

// SystemError for a failed system call; appends the text of `error_number`.
SystemError system_call_error(const std::string& object, const std::string& call, int error_number);

class RequirementError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

namespace detail {
[[noreturn]] void requirement_failed(const char* expression, const std::string& left,
                                     const std::string& right, const char* file, int line);
template <typename T>
std::string printed(const T& value) {
  std::ostringstream out;
  out << value;
  return out.str();
}
}  // namespace detail

}  // namespace muster::common

// MUSTER_REQUIRE(a, <, b): throws RequirementError with both values when `a < b` does not hold.
#define MUSTER_REQUIRE(left, comparison, right)                                             \
  do {                                                                                      \
    const auto& muster_left = (left);                                                       \
    const auto& muster_right = (right);                                                     \
    if (!(muster_left comparison muster_right)) {                                           \
      ::muster::common::detail::requirement_failed(                                         \
          #left " " #comparison " " #right, ::muster::common::detail::printed(muster_left), \
          ::muster::common::detail::printed(muster_right), __FILE__, __LINE__);             \
    }                                                                                       \
  } while (false)
