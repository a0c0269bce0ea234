#include "monitoring/fan_out_progress.h"

#include <gtest/gtest.h>

#include <string>

namespace muster::monitoring {
namespace {

class RecordingSink : public common::ProgressSink {
 public:
  void begin(const std::string& what, const std::string& unit, int64_t total) override {
    calls += "begin " + what + " " + unit + " " + std::to_string(total) + "\n";
  }
  void advance(int64_t done) override { calls += "advance " + std::to_string(done) + "\n"; }
  void end() override { calls += "end\n"; }
  void step(const common::StepReport& report) override {
    calls += "step " + std::to_string(report.step) + "\n";
  }
  void note(const std::string& text) override { calls += "note " + text + "\n"; }

  std::string calls;
};

TEST(FanOutProgressTest, ForwardsEveryCallToEverySink) {
  RecordingSink first, second;
  FanOutProgress progress({&first, &second});
  progress.begin("reading", "frames", 7);
  progress.advance(3);
  common::StepReport report;
  report.step = 5;
  progress.step(report);
  progress.note("slow disk");
  progress.end();
  EXPECT_EQ(first.calls, "begin reading frames 7\nadvance 3\nstep 5\nnote slow disk\nend\n");
  EXPECT_EQ(second.calls, first.calls);
}

TEST(FanOutProgressTest, WithoutSinksDoesNothing) {
  FanOutProgress progress({});
  progress.begin("reading", "frames", 7);
  progress.end();
}

}  // namespace
}  // namespace muster::monitoring
