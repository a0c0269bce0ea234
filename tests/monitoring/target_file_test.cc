#include "monitoring/target_file.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/atomic_file.h"
#include "common/error.h"
#include "tests/monitoring/support.h"

namespace muster::monitoring {
namespace {

namespace fs = std::filesystem;

RunIdentity identity() {
  return {"9f3c", "stsrn", "prid2011", 3, 4, "1234", "node07", "a1b2c3d", "0.1.0"};
}

TEST(TargetFileTest, SaysWhereTheProcessListensAndWhoItIs) {
  const TestDirectory directory;
  const TargetFile file(directory.path(), identity(), "127.0.0.1:4321");
  const auto target = nlohmann::json::parse(common::read_file(file.path()));
  EXPECT_EQ(target, nlohmann::json::parse(R"([{"targets": ["127.0.0.1:4321"],
      "labels": {"run": "9f3c", "job": "1234", "node": "node07", "rank": "3"}}])"));
}

TEST(TargetFileTest, GoesWithItsObject) {
  const TestDirectory directory;
  {
    const TargetFile file(directory.path(), identity(), "127.0.0.1:4321");
    EXPECT_FALSE(fs::is_empty(directory.path()));
  }
  EXPECT_TRUE(fs::is_empty(directory.path()));
}

TEST(TargetFileTest, OddNamesAreEscapedInNameAndContent) {
  const TestDirectory directory;
  RunIdentity odd = identity();
  odd.run = "../\"run\"\n*";
  odd.node = "bytes \xff\xfe";
  const TargetFile file(directory.path(), odd, "127.0.0.1:4321");
  EXPECT_EQ(file.path().parent_path(), directory.path());
  EXPECT_EQ(file.path().filename(), "%2E%2E%2F%22run%22%0A%2A.1234.3.json");
  const auto target = nlohmann::json::parse(common::read_file(file.path()));
  EXPECT_EQ(target[0]["labels"]["run"], odd.run);
}

TEST(TargetFileTest, ALaterAttemptKeepsItsFile) {
  const TestDirectory directory;
  auto first = std::make_unique<TargetFile>(directory.path(), identity(), "127.0.0.1:1");
  const TargetFile second(directory.path(), identity(), "127.0.0.1:2");
  first.reset();
  EXPECT_NE(common::read_file(second.path()).find("127.0.0.1:2"), std::string::npos);
}

TEST(TargetFileTest, RanksHaveFilesOfTheirOwn) {
  const TestDirectory directory;
  RunIdentity other = identity();
  other.rank = 0;
  const TargetFile first(directory.path(), identity(), "127.0.0.1:1");
  const TargetFile second(directory.path(), other, "127.0.0.1:2");
  EXPECT_NE(first.path(), second.path());
}

TEST(TargetFileTest, AMissingDirectoryIsNamed) {
  const TestDirectory directory;
  const fs::path missing = directory.path() / "missing";
  try {
    const TargetFile file(missing, identity(), "127.0.0.1:1");
    FAIL() << "wrote into a directory that is not there";
  } catch (const common::SystemError& error) {
    EXPECT_NE(std::string(error.what()).find(missing.string()), std::string::npos);
  }
}

TEST(TargetFileTest, ADirectoryThatTakesNoFilesIsNamed) {
  try {
    const TargetFile file("/proc", identity(), "127.0.0.1:1");  // even root creates no file there
    FAIL() << "wrote into /proc";
  } catch (const common::SystemError& error) {
    EXPECT_NE(std::string(error.what()).find("/proc"), std::string::npos);
  }
}

TEST(PrometheusConfigurationTest, PassesTheCheckOfPromtool) {
  const TestDirectory directory;
  const fs::path targets = directory.path() / "odd: \"name\" #1 'x' & {y} é";
  fs::create_directory(targets);
  const TargetFile target(targets, identity(), "127.0.0.1:4321");
  const fs::path path = directory.path() / "prometheus.yml";
  common::write_file_atomically(path, prometheus_configuration(targets, 2));
  const CommandResult result = run_command("promtool check config " + path.string());
  ASSERT_NE(result.exit_code, 127) << "promtool is missing; install the package prometheus";
  EXPECT_EQ(result.exit_code, 0) << result.output;
}

TEST(PrometheusConfigurationTest, WatchesAllTargetFilesOfTheDirectory) {
  const std::string yaml = prometheus_configuration("/data/work space/targets", 15);
  EXPECT_NE(yaml.find("- \"/data/work space/targets/*.json\"\n"), std::string::npos) << yaml;
  EXPECT_NE(yaml.find("scrape_interval: 15s\n"), std::string::npos);
}

TEST(PrometheusConfigurationTest, RefusesAPathThatIsAPattern) {
  for (const char* path : {"/data/a*b", "/data/a?b", "/data/[ab]", "/data/a\\b"}) {
    EXPECT_THROW(prometheus_configuration(path, 15), common::InputError) << path;
  }
}

TEST(PrometheusConfigurationTest, RefusesAnIntervalBelowASecond) {
  EXPECT_THROW(prometheus_configuration("/data", 0), common::InputError);
}

}  // namespace
}  // namespace muster::monitoring
