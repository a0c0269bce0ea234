#include "monitoring/prometheus_sink.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <limits>
#include <map>
#include <sstream>
#include <thread>

#include "common/atomic_file.h"
#include "common/error.h"
#include "monitoring/metric_table.h"
#include "tests/monitoring/support.h"

namespace muster::monitoring {
namespace {

// The body of GET /metrics on 127.0.0.1.
std::string scraped(int port) {
  const int connection = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  ::inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  if (::connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    ::close(connection);
    throw std::runtime_error(std::string("connect: ") + std::strerror(errno));
  }
  const std::string request = "GET /metrics HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n";
  EXPECT_EQ(::send(connection, request.data(), request.size(), 0),
            static_cast<ssize_t>(request.size()));
  std::string answer;
  char bytes[4096];
  for (ssize_t count; (count = ::recv(connection, bytes, sizeof(bytes), 0)) > 0;) {
    answer.append(bytes, static_cast<size_t>(count));
  }
  ::close(connection);
  EXPECT_EQ(answer.substr(0, 4), "HTTP");
  const size_t body = answer.find("\r\n\r\n");
  return body == std::string::npos ? "" : answer.substr(body + 4);
}

// Value by series, as in the exposition text.
std::map<std::string, double> series_of(const std::string& text) {
  std::map<std::string, double> series;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == '#') continue;
    const size_t space = line.rfind(' ');
    series[line.substr(0, space)] = std::strtod(line.c_str() + space + 1, nullptr);
  }
  return series;
}

RunIdentity identity_of_rank(int rank) {
  return {"9f3c", "stsrn", "prid2011", rank, 4, "1234", "node07", "a1b2c3d", "0.1.0"};
}

PrometheusSinkOptions fixed_clock() {
  PrometheusSinkOptions options;
  options.unix_seconds = [] { return 1700000000.0; };
  return options;
}

common::StepReport step_report() {
  common::StepReport report;
  report.step = 1;
  report.loss = 1.75;
  report.losses = {{"identity", 1.25}, {"video_triplet", 0.5}, {"never_heard_of", 3}};
  report.statistics = {{"triplet_active_share", 0.625},
                       {"rank1_estimate", 0.75},
                       {"hardest_positive_distance", 2.5},
                       {"hardest_negative_distance", 1.5},
                       {"something_else", 9}};
  report.gradient_norm = 4.5;
  report.learning_rate = 0.002;
  report.clips = 8;
  report.frames = 128;
  report.step_seconds = 0.3;
  report.phase_seconds = {0.01, 0.1, 0.02, 0.125, 0.03, 0.015};
  return report;
}

TEST(PrometheusSinkTest, ServesWhatStepsReported) {
  PrometheusSink sink(identity_of_rank(0), fixed_clock());
  sink.step(step_report());
  sink.step(step_report());
  auto series = series_of(scraped(sink.port()));
  EXPECT_EQ(series.at("muster_train_steps_total"), 2);
  EXPECT_EQ(series.at("muster_train_clips_total"), 16);
  EXPECT_EQ(series.at("muster_train_frames_total"), 256);
  EXPECT_EQ(series.at("muster_train_loss{loss=\"total\"}"), 1.75);
  EXPECT_EQ(series.at("muster_train_loss{loss=\"identity\"}"), 1.25);
  EXPECT_EQ(series.at("muster_train_loss{loss=\"video_triplet\"}"), 0.5);
  EXPECT_EQ(series.at("muster_train_learning_rate"), 0.002);
  EXPECT_EQ(series.at("muster_train_gradient_norm"), 4.5);
  EXPECT_EQ(series.at("muster_train_triplet_active_ratio"), 0.625);
  EXPECT_EQ(series.at("muster_train_rank1_estimate_ratio"), 0.75);
  EXPECT_EQ(series.at("muster_train_hardest_positive_distance"), 2.5);
  EXPECT_EQ(series.at("muster_train_hardest_negative_distance"), 1.5);
  EXPECT_EQ(series.at("muster_train_last_step_timestamp_seconds"), 1700000000.0);
  EXPECT_EQ(series.at("muster_train_nonfinite_steps_total"), 0);
}

TEST(PrometheusSinkTest, AddsUpWhatStepsSpentTheirTimeOn) {
  PrometheusSink sink(identity_of_rank(1));
  sink.step(step_report());
  auto series = series_of(scraped(sink.port()));
  const std::map<std::string, double> expected = {{"data_wait", 0.01},
                                                  {"forward", 0.1},
                                                  {"loss", 0.02},
                                                  {"backward", 0.125},
                                                  {"communication_exposed", 0.03},
                                                  {"optimizer", 0.015}};
  for (const auto& [phase, seconds] : expected) {
    EXPECT_DOUBLE_EQ(series.at("muster_train_phase_seconds_total{phase=\"" + phase + "\"}"),
                     seconds);
  }
}

TEST(PrometheusSinkTest, CountsStepTimesInBuckets) {
  PrometheusSink sink(identity_of_rank(1));
  sink.step(step_report());
  auto series = series_of(scraped(sink.port()));
  EXPECT_EQ(series.at("muster_train_step_seconds_bucket{le=\"0.256\"}"), 0);
  EXPECT_EQ(series.at("muster_train_step_seconds_bucket{le=\"0.512\"}"), 1);
  EXPECT_EQ(series.at("muster_train_step_seconds_bucket{le=\"+Inf\"}"), 1);
  EXPECT_DOUBLE_EQ(series.at("muster_train_step_seconds_sum"), 0.3);
}

TEST(PrometheusSinkTest, CountsStepsThatAreNotFinite) {
  PrometheusSink sink(identity_of_rank(0));
  common::StepReport report = step_report();
  report.loss = std::numeric_limits<double>::quiet_NaN();
  sink.step(report);
  report = step_report();
  report.gradient_norm = std::numeric_limits<double>::infinity();
  sink.step(report);
  sink.step(step_report());
  EXPECT_EQ(series_of(scraped(sink.port())).at("muster_train_nonfinite_steps_total"), 2);
}

TEST(PrometheusSinkTest, AnOverflowOfTheLossScaleIsCountedByItself) {
  PrometheusSink sink(identity_of_rank(0));
  common::StepReport report = step_report();
  report.gradient_norm = std::numeric_limits<double>::infinity();
  report.loss_scale = 65536;
  report.overflow = true;
  sink.step(report);
  auto series = series_of(scraped(sink.port()));
  EXPECT_EQ(series.at("muster_train_nonfinite_steps_total"), 0);
  EXPECT_EQ(series.at("muster_train_amp_overflow_steps_total"), 1);
  EXPECT_EQ(series.at("muster_train_amp_scale"), 65536);
}

TEST(PrometheusSinkTest, AddsUpWhatGradientsTravelled) {
  PrometheusSink sink(identity_of_rank(1));
  common::StepReport report = step_report();
  report.gradient_traffic = {1000, 7, 5, 0.25};
  sink.step(report);
  sink.step(report);
  auto series = series_of(scraped(sink.port()));
  EXPECT_EQ(series.at("muster_comm_bytes_total"), 2000);
  EXPECT_EQ(series.at("muster_comm_messages_total"), 14);
  EXPECT_EQ(series.at("muster_comm_early_messages_total"), 10);
  EXPECT_EQ(series.at("muster_comm_busy_seconds_total"), 0.5);
}

TEST(PrometheusSinkTest, SaysWhoItIs) {
  PrometheusSink sink(identity_of_rank(0));
  auto series = series_of(scraped(sink.port()));
  EXPECT_EQ(series.at("muster_build_info{commit=\"a1b2c3d\",version=\"0.1.0\"}"), 1);
  EXPECT_EQ(series.at("muster_run_info{model=\"stsrn\",train_store=\"prid2011\",world_size=\"4\"}"),
            1);
}

TEST(PrometheusSinkTest, IsInOneStateAtATime) {
  PrometheusSink sink(identity_of_rank(0));
  sink.enter(RunState::kCheckpointing);
  double sum = 0;
  auto series = series_of(scraped(sink.port()));
  for (const auto& [name, value] : series) {
    if (name.rfind("muster_run_state{", 0) == 0) sum += value;
  }
  EXPECT_EQ(sum, 1);
  EXPECT_EQ(series.at("muster_run_state{state=\"checkpointing\"}"), 1);
}

TEST(PrometheusSinkTest, AllSeriesExistFromTheStart) {
  PrometheusSink sink(identity_of_rank(0));
  scraped(sink.port());  // the server counts its own requests from the first on
  const auto before = series_of(scraped(sink.port()));
  sink.enter(RunState::kTraining);
  sink.step(step_report());
  const auto after = series_of(scraped(sink.port()));
  EXPECT_EQ(before.size(), after.size());
  for (const MetricDescription& metric : metric_table()) {
    const bool found = std::any_of(before.begin(), before.end(), [&](const auto& entry) {
      return entry.first.rfind(metric.name, 0) == 0;
    });
    EXPECT_TRUE(found) << metric.name;
  }
}

TEST(PrometheusSinkTest, StaysWithinTheSeriesLimits) {
  for (const int rank : {0, 1, 3}) {
    PrometheusSink sink(identity_of_rank(rank));
    sink.step(step_report());
    scraped(sink.port());
    const size_t count = series_of(scraped(sink.port())).size();
    EXPECT_LE(count, static_cast<size_t>(rank == 0 ? kRankZeroSeriesLimit : kOtherRankSeriesLimit));
    EXPECT_GT(count, 30u);
  }
}

TEST(PrometheusSinkTest, PassesTheCheckOfPromtool) {
  PrometheusSink sink(identity_of_rank(0));
  sink.step(step_report());
  const TestDirectory directory;
  const auto path = directory.path() / "metrics.txt";
  common::write_file_atomically(path, scraped(sink.port()));
  const CommandResult result = run_command("promtool check metrics < " + path.string());
  ASSERT_NE(result.exit_code, 127) << "promtool is missing; install the package prometheus";
  EXPECT_EQ(result.exit_code, 0) << result.output;
}

TEST(PrometheusSinkTest, LabelsMayHoldAnyText) {
  RunIdentity identity = identity_of_rank(0);
  identity.train_store = "a \"quoted\"\nname\\";
  PrometheusSink sink(identity);
  EXPECT_NE(scraped(sink.port()).find("train_store=\"a \\\"quoted\\\"\\nname\\\\\""),
            std::string::npos);
}

TEST(PrometheusSinkTest, TwoOfOneMachineGetPortsOfTheirOwn) {
  PrometheusSink first(identity_of_rank(0)), second(identity_of_rank(1));
  EXPECT_NE(first.port(), second.port());
}

TEST(PrometheusSinkTest, AnAddressThatIsTakenIsNamed) {
  PrometheusSink first(identity_of_rank(0));
  PrometheusSinkOptions options;
  options.bind_address = "127.0.0.1:" + std::to_string(first.port());
  try {
    PrometheusSink second(identity_of_rank(1), options);
    FAIL() << "the second sink listens at the address of the first";
  } catch (const common::SystemError& error) {
    EXPECT_NE(std::string(error.what()).find(options.bind_address), std::string::npos);
  }
}

TEST(PrometheusSinkTest, CanBeScrapedWhileStepsAreReported) {
  PrometheusSink sink(identity_of_rank(0));
  std::thread worker([&] {
    for (int step = 0; step < 20000; ++step) sink.step(step_report());
  });
  for (int scrape = 0; scrape < 20; ++scrape) scraped(sink.port());
  worker.join();
  EXPECT_EQ(series_of(scraped(sink.port())).at("muster_train_steps_total"), 20000);
}

}  // namespace
}  // namespace muster::monitoring
