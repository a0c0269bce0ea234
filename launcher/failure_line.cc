#include "launcher/failure_line.h"

#include <filesystem>
#include <new>

#include "common/error.h"

namespace muster::launcher {
namespace {

// What a library threw, in one line.
std::string foreign_failure(const std::exception& failure) {
  const std::string text = failure.what();
  // LibTorch's allocator has an error of its own.
  if (dynamic_cast<const std::bad_alloc*>(&failure) != nullptr ||
      text.find("DefaultCPUAllocator") != std::string::npos) {
    return "not enough memory; lower the settings that make networks or batches large";
  }
  // Some append pages of their own call stack.
  return common::one_line(text.substr(0, text.find('\n')));
}

}  // namespace

std::string failure_line(const std::exception& failure) {
  if (dynamic_cast<const common::Error*>(&failure) != nullptr) return failure.what();
  if (const auto* file = dynamic_cast<const std::filesystem::filesystem_error*>(&failure)) {
    return common::one_line(file->path1().string()) + ": " + file->code().message();
  }
  return foreign_failure(failure);
}

}  // namespace muster::launcher
