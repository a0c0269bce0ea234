// What one rank did, in a file of its own: a line with the time for every note and stretch of work,
// and one for steps every ten seconds.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "common/progress_sink.h"

namespace muster::monitoring {

// The file is opened, and its folder made, when work begins: before, its place may not be there.
// What is noted earlier is kept until then. A file that cannot be written is given up in silence:
// no work may fail for its log.
class LogFileSink : public common::ProgressSink {
 public:
  explicit LogFileSink(std::filesystem::path file) : path_(std::move(file)) {}
  void begin(const std::string& what, const std::string& unit, int64_t total) override;
  void advance(int64_t) override {}
  void end() override;
  void step(const common::StepReport& report) override;
  void note(const std::string& text) override { write(text); }

 private:
  void write(const std::string& text);

  const std::filesystem::path path_;
  std::ofstream file_;
  std::string waiting_;  // lines of before there was a file
  std::string last_step_;
  double written_seconds_ = -1e9;
};

}  // namespace muster::monitoring
