#include "monitoring/terminal_progress.h"

#include <gtest/gtest.h>

#include <limits>
#include <sstream>
#include <vector>

#include "tests/monitoring/support.h"

namespace muster::monitoring {
namespace {

class TerminalProgressTest : public testing::Test {
 protected:
  TerminalProgressOptions options(TerminalMode mode, size_t width_columns = 100) {
    TerminalProgressOptions chosen;
    chosen.mode = mode;
    chosen.width_columns = width_columns;
    chosen.seconds = [this] { return now_; };
    return chosen;
  }

  // What was drawn, without the control sequences.
  std::vector<std::string> lines() const {
    std::vector<std::string> drawn;
    std::string line;
    const std::string text = out_.str();
    for (size_t at = 0; at < text.size(); ++at) {
      if (text.compare(at, 3, "\x1b[K") == 0) {
        at += 2;
      } else if (text[at] == '\r' || text[at] == '\n') {
        if (!line.empty()) drawn.push_back(line);
        line.clear();
      } else {
        line += text[at];
      }
    }
    if (!line.empty()) drawn.push_back(line);
    return drawn;
  }

  static common::StepReport step_report(int64_t step) {
    common::StepReport report;
    report.step = step;
    report.total_steps = 300;
    report.loss = 1.92;
    report.losses = {{"identity", 1.41}, {"video_triplet", 0.51}};
    report.global_clips = 13;
    report.step_seconds = 0.5;
    report.phase_seconds.data_wait = 0.002;
    report.phase_seconds.communication_exposed = 0.0105;
    return report;
  }

  double now_ = 100;
  std::ostringstream out_;
};

TEST_F(TerminalProgressTest, DrawsABarWithRateAndTimeLeft) {
  TerminalProgress progress(out_, options(TerminalMode::kRedrawn, 71));
  progress.begin("rendering prid2011", "frames", 5760);
  now_ += 1.5;
  progress.advance(1200);
  EXPECT_EQ(lines().back(),
            "rendering prid2011 [###----------------] 1200/5760 frames 800/s eta 6 s");
}

TEST_F(TerminalProgressTest, EndsWithACompleteLineAndTheTimeTaken) {
  TerminalProgress progress(out_, options(TerminalMode::kRedrawn, 60));
  progress.begin("reading", "frames", 10);
  now_ += 5;
  progress.advance(10);
  progress.end();
  EXPECT_EQ(lines().back(), "reading [########################] 10/10 frames 2.0/s in 5 s");
  EXPECT_EQ(out_.str().back(), '\n');
}

TEST_F(TerminalProgressTest, RedrawsAtMostTenTimesASecond) {
  TerminalProgress progress(out_, options(TerminalMode::kRedrawn));
  progress.begin("reading", "frames", 1000);
  for (int frame = 1; frame <= 1000; ++frame) {
    now_ += 0.001;
    progress.advance(frame);
  }
  EXPECT_LE(occurrences(out_.str(), "\r"), 11u);
  EXPECT_GE(occurrences(out_.str(), "\r"), 9u);
}

TEST_F(TerminalProgressTest, WritesPlainLinesEveryFiveSecondsAndOneAtTheEnd) {
  TerminalProgress progress(out_, options(TerminalMode::kPlain));
  progress.begin("reading", "frames", 120);
  for (int frame = 1; frame <= 120; ++frame) {
    now_ += 0.1;
    progress.advance(frame);
  }
  progress.end();
  ASSERT_EQ(lines().size(), 3u);
  EXPECT_EQ(lines().back(), "reading 120/120 frames 10/s in 12 s");
  EXPECT_EQ(out_.str().find_first_of("\r\x1b"), std::string::npos);
}

TEST_F(TerminalProgressTest, NoLineIsWiderThanTheTerminal) {
  for (size_t width = 1; width < 130; ++width) {
    for (const TerminalMode mode : {TerminalMode::kRedrawn, TerminalMode::kPlain}) {
      out_.str("");
      TerminalProgress progress(out_, options(mode, width));
      progress.begin("a long label for a stretch of work", "frames", 123456789);
      now_ += 6;
      progress.advance(45678901);
      progress.end();
      now_ += 6;
      progress.step(step_report(2));
      for (const std::string& line : lines()) EXPECT_LE(line.size(), width) << line;
    }
  }
}

TEST_F(TerminalProgressTest, CutsBetweenCharactersNotInsideThem) {
  TerminalProgress progress(out_, options(TerminalMode::kPlain, 5));
  progress.begin("ééééééé", "frames", 10);
  progress.end();
  EXPECT_EQ(lines().back(), "ééééé");
}

TEST_F(TerminalProgressTest, ShowsAStepWithItsLossesAndShares) {
  TerminalProgress progress(out_, options(TerminalMode::kRedrawn));
  progress.step(step_report(282));
  EXPECT_EQ(lines().back(),
            "step 282/300  loss 1.92 (id 1.41, triplet 0.51)  26 clips/s  data 0.4 %  comm 2.1 %  "
            "eta 9 s");
}

TEST_F(TerminalProgressTest, SmoothsTheLoss) {
  TerminalProgress progress(out_, options(TerminalMode::kRedrawn));
  common::StepReport report = step_report(1);
  report.losses.clear();
  report.loss = 2;
  progress.step(report);
  now_ += 1;
  report.step = 2;
  report.loss = 1;
  progress.step(report);
  EXPECT_NE(lines().back().find("loss 1.47"), std::string::npos) << lines().back();
}

TEST_F(TerminalProgressTest, ShowsALossThatIsNotANumberAndRecovers) {
  TerminalProgress progress(out_, options(TerminalMode::kRedrawn));
  common::StepReport report = step_report(1);
  report.loss = std::numeric_limits<double>::quiet_NaN();
  progress.step(report);
  EXPECT_NE(lines().back().find("loss nan"), std::string::npos);
  now_ += 1;
  progress.step(step_report(2));
  EXPECT_NE(lines().back().find("loss 1.92"), std::string::npos);
}

TEST_F(TerminalProgressTest, DropsSharesBeforeLossAndStepInANarrowTerminal) {
  TerminalProgress progress(out_, options(TerminalMode::kRedrawn, 36));
  progress.step(step_report(282));
  EXPECT_EQ(lines().back(), "step 282/300  loss 1.92  26 clips/s");
}

TEST_F(TerminalProgressTest, TheLastStepIsAlwaysShown) {
  TerminalProgress progress(out_, options(TerminalMode::kPlain));
  progress.begin("training", "steps", 300);
  for (int64_t step = 1; step <= 300; ++step) progress.step(step_report(step));
  progress.end();
  ASSERT_EQ(lines().size(), 1u);
  EXPECT_EQ(lines().back().substr(0, 12), "step 300/300");
}

TEST_F(TerminalProgressTest, AnInterruptedTrainingShowsItsLastStep) {
  {
    TerminalProgress progress(out_, options(TerminalMode::kPlain));
    progress.begin("training", "steps", 300);
    progress.step(step_report(1));
    progress.step(step_report(2));
  }
  ASSERT_EQ(lines().size(), 1u);
  EXPECT_EQ(lines().back().substr(0, 10), "step 2/300");
}

TEST_F(TerminalProgressTest, TheRankOneEstimateIsShownWhereThereIsOne) {
  TerminalProgress progress(out_, options(TerminalMode::kPlain, 140));
  common::StepReport report = step_report(1);
  report.statistics["rank1_estimate"] = 0.625;
  progress.step(report);
  EXPECT_NE(lines().back().find("rank-1 62 %"), std::string::npos) << lines().back();
  now_ += 10;
  progress.step(step_report(2));
  EXPECT_EQ(lines().back().find("rank-1"), std::string::npos) << lines().back();
}

TEST_F(TerminalProgressTest, ANoteStandsOnALineOfItsOwn) {
  TerminalProgress progress(out_, options(TerminalMode::kRedrawn));
  progress.begin("reading", "frames", 10);
  progress.note("one file was skipped");
  EXPECT_NE(out_.str().find("\r\x1b[Kone file was skipped\n"), std::string::npos);
  now_ += 1;
  progress.advance(5);
  EXPECT_NE(lines().back().find("5/10 frames"), std::string::npos);
}

TEST_F(TerminalProgressTest, ALabelCannotMoveTheCursor) {
  TerminalProgress progress(out_, options(TerminalMode::kPlain));
  progress.begin("evil\x1b[2Jname", "frames", 1);
  progress.end();
  progress.note("evil\x1b[2Jnote");
  EXPECT_EQ(out_.str().find('\x1b'), std::string::npos);
}

TEST_F(TerminalProgressTest, ATotalThatIsNotKnownHasNoBar) {
  TerminalProgress progress(out_, options(TerminalMode::kRedrawn));
  progress.begin("decoding", "frames", 0);
  now_ += 2;
  progress.advance(50);
  EXPECT_EQ(lines().back(), "decoding 50 frames 25/s");
}

}  // namespace
}  // namespace muster::monitoring
