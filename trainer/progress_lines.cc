#include "trainer/progress_lines.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "common/error.h"

namespace muster::trainer {
namespace fs = std::filesystem;

namespace {

constexpr int64_t kNoStep = -1;

int64_t step_of_line(const std::string& line) {
  const auto content = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!content.is_object() || !content.contains("step")) return kNoStep;
  return content["step"].is_number_integer() ? content["step"].get<int64_t>() : kNoStep;
}

void copy_aside(const fs::path& file) {
  for (int number = 1;; ++number) {
    const fs::path aside = file.string() + ".damaged-" + std::to_string(number);
    std::error_code failure;
    if (fs::exists(fs::symlink_status(aside, failure))) continue;
    fs::copy_file(file, aside, failure);
    if (failure) throw common::system_call_error(aside.string(), "write", failure.value());
    return;
  }
}

}  // namespace

void cut_progress(const fs::path& file, int64_t step) {
  uintmax_t kept_bytes = 0;
  bool damaged = false;
  std::ifstream lines(file, std::ios::binary);
  for (std::string line; std::getline(lines, line) && !lines.eof();) {
    const int64_t of_line = step_of_line(line);
    damaged = of_line == kNoStep;
    if (damaged || of_line > step) break;
    kept_bytes += line.size() + 1;
  }
  if (damaged) copy_aside(file);
  std::error_code failure;
  fs::resize_file(file, kept_bytes, failure);
  if (failure) throw common::system_call_error(file.string(), "truncate", failure.value());
}

}  // namespace muster::trainer
