// What the tests of several rooms share: directories of their own, the text of what was thrown, and
// what work told.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "common/progress_sink.h"

namespace muster::common {

// A directory of its own for one test, removed afterwards.
class TestDirectory {
 public:
  TestDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "muster-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = pattern;
  }
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;
  ~TestDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// What `action` says when it throws exactly the failure that is expected; "" and a failed test if
// not.
template <typename Failure, typename Action>
std::string failure_text(const Action& action) {
  try {
    action();
  } catch (const Failure& failure) {
    return failure.what();
  } catch (const std::exception& other) {
    ADD_FAILURE() << "another kind of failure was thrown: " << other.what();
    return "";
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Remembers what it is told.
class RecordingProgress : public SilentProgress {
 public:
  void begin(const std::string& what, const std::string&, int64_t total) override {
    stretches.emplace_back(what, total);
  }
  void step(const StepReport& report) override { steps.push_back(report); }
  void note(const std::string& text) override { notes.push_back(text); }
  // All notes, a line each.
  std::string text() const {
    std::string lines;
    for (const std::string& note : notes) lines += note + "\n";
    return lines;
  }
  std::vector<std::pair<std::string, int64_t>> stretches;  // label and total
  std::vector<StepReport> steps;
  std::vector<std::string> notes;
};

// Names of everything in a directory, sorted.
inline std::vector<std::string> names_in(const std::filesystem::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace muster::common
