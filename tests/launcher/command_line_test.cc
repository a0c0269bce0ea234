#include "launcher/command_line.h"

#include <gtest/gtest.h>

#include "common/error.h"
#include "launcher/terminal.h"
#include "tests/common/support.h"

namespace muster::launcher {
namespace {
using common::contains;
using common::failure_text;
using common::InputError;

using Arguments = std::vector<std::string>;

class CommandLineTest : public testing::Test {
 protected:
  CommandLineTest() : line_("muster ingest --layout NAME [...]", "Builds a store.") {
    line_.option("layout", "NAME", "what the input is")
        .option("jobs", "N", "threads", "4")
        .option("frame-size", "HxW", "pixels", "128x64")
        .repeated("set", "PATH=VALUE", "one setting")
        .flag("json", "machine-readable")
        .positional("STORE", "the store");
  }
  std::string refusal(const Arguments& arguments) {
    return failure_text<InputError>([&] { line_.parse(arguments); });
  }
  CommandLine line_;
};

TEST_F(CommandLineTest, TakesTheValueAfterTheOption) {
  EXPECT_TRUE(line_.parse({"--layout", "mars"}));
  EXPECT_EQ(line_.text("layout"), "mars");
}

TEST_F(CommandLineTest, TakesTheValueAfterAnEqualsSign) {
  line_.parse({"--layout=mars"});
  EXPECT_EQ(line_.text("layout"), "mars");
}

TEST_F(CommandLineTest, TakesTheDefaultOfAnOptionThatIsNotThere) {
  line_.parse({});
  EXPECT_EQ(line_.text("jobs"), "4");
  EXPECT_FALSE(line_.has("jobs"));
}

TEST_F(CommandLineTest, AMissingOptionWithoutDefaultIsNamed) {
  line_.parse({});
  const std::string text = failure_text<InputError>([&] { line_.text("layout"); });
  EXPECT_TRUE(contains(text, "--layout")) << text;
  EXPECT_TRUE(contains(text, "muster ingest")) << text;
}

TEST_F(CommandLineTest, AMissingPlainArgumentIsNamedWithoutDashes) {
  line_.parse({});
  const std::string text = failure_text<InputError>([&] { line_.text("STORE"); });
  EXPECT_EQ(text.rfind("STORE", 0), 0u) << text;
}

TEST_F(CommandLineTest, TakesAPlainArgumentAnywhere) {
  line_.parse({"--jobs", "2", "data/store", "--json"});
  EXPECT_EQ(line_.text("STORE"), "data/store");
}

TEST_F(CommandLineTest, OnePlainArgumentTooManyIsRefused) {
  EXPECT_TRUE(contains(refusal({"one", "two"}), "usage: muster ingest"));
}

TEST_F(CommandLineTest, CollectsRepeatedOptionsInOrder) {
  line_.parse({"--set", "b=2", "--json", "--set", "a=1"});
  EXPECT_EQ(line_.texts("set"), (Arguments{"b=2", "a=1"}));
}

TEST_F(CommandLineTest, ARepeatedOptionThatIsNotThereIsEmpty) {
  line_.parse({});
  EXPECT_TRUE(line_.texts("set").empty());
}

TEST_F(CommandLineTest, KnowsWhichFlagsAreThere) {
  line_.parse({"--json"});
  EXPECT_TRUE(line_.has("json"));
  EXPECT_FALSE(line_.has("help"));
}

TEST_F(CommandLineTest, AnUnknownOptionGetsTheNearestName) {
  const std::string text = refusal({"--layuot", "mars"});
  EXPECT_TRUE(contains(text, "--layuot")) << text;
  EXPECT_TRUE(contains(text, "did you mean '--layout'?")) << text;
}

TEST_F(CommandLineTest, BeginningsOfOptionsAreNotGuessed) { refusal({"--lay", "mars"}); }

TEST_F(CommandLineTest, AnOptionWithoutItsValueIsNamed) {
  EXPECT_TRUE(contains(refusal({"--layout"}), "layout"));
}

TEST_F(CommandLineTest, ASingleOptionGivenTwiceIsNamed) {
  EXPECT_TRUE(contains(refusal({"--jobs", "1", "--jobs", "2"}), "jobs"));
}

TEST_F(CommandLineTest, HelpPrintsUsageOptionsAndDefaultsAndStops) {
  testing::internal::CaptureStdout();
  const bool goes_on = line_.parse({"--help"});
  const std::string page = testing::internal::GetCapturedStdout();
  EXPECT_FALSE(goes_on);
  for (const char* part : {"usage: muster ingest", "Builds a store.", "--layout", "what the input",
                           "--frame-size", "[128x64]", "STORE", "the store", "may be repeated"}) {
    EXPECT_TRUE(contains(page, part)) << part << " in " << page;
  }
}

TEST_F(CommandLineTest, ReadsWholeNumbersIncludingTheLimits) {
  for (const char* value : {"1", "64", "40"}) {
    CommandLine line("u", "a");
    line.option("jobs", "N", "threads");
    line.parse({"--jobs", value});
    EXPECT_EQ(line.integer("jobs", 1, 64), std::stoll(value));
  }
}

TEST_F(CommandLineTest, ReadsNegativeNumbers) {
  line_.parse({"--jobs", "-3"});
  EXPECT_EQ(line_.integer("jobs", -5, 5), -3);
}

TEST_F(CommandLineTest, TheDefaultIsReadAsANumberToo) {
  line_.parse({});
  EXPECT_EQ(line_.integer("jobs", 1, 64), 4);
}

class BadNumberTest : public testing::TestWithParam<const char*> {};

TEST_P(BadNumberTest, IsRefusedWithOptionAndLimits) {
  CommandLine line("u", "a");
  line.option("jobs", "N", "threads");
  line.parse({std::string("--jobs=") + GetParam()});
  const std::string text = failure_text<InputError>([&] { line.integer("jobs", 1, 64); });
  EXPECT_TRUE(contains(text, "--jobs")) << text;
  EXPECT_TRUE(contains(text, "1 to 64")) << text;
}

INSTANTIATE_TEST_SUITE_P(Values, BadNumberTest,
                         testing::Values("0", "65", "-1", "four", "4x", "4.5", "1e1", " ",
                                         "99999999999999999999"));

TEST_F(CommandLineTest, APathEndsInAName) {
  for (const auto& [given, meant] :
       {std::pair<const char*, const char*>("runs/first", "runs/first"),
        {"runs/first/", "runs/first"},
        {"runs/first//", "runs/first"},
        {"/", "/"}}) {
    CommandLine line("muster train", "");
    line.option("run", "DIR", "").parse({"--run", given});
    EXPECT_EQ(line.path("run"), meant);
  }
}

TEST_F(CommandLineTest, ReadsASize) {
  line_.parse({"--frame-size", "256x128"});
  EXPECT_EQ(line_.size("frame-size").height, 256);
  EXPECT_EQ(line_.size("frame-size").width, 128);
}

TEST_F(CommandLineTest, ReadsTheDefaultSize) {
  line_.parse({});
  EXPECT_EQ(line_.size("frame-size").height, 128);
  EXPECT_EQ(line_.size("frame-size").width, 64);
}

class BadSizeTest : public testing::TestWithParam<const char*> {};

TEST_P(BadSizeTest, IsRefusedWithOptionAndValue) {
  CommandLine line("u", "a");
  line.option("frame-size", "HxW", "pixels");
  line.parse({std::string("--frame-size=") + GetParam()});
  const std::string text = failure_text<InputError>([&] { line.size("frame-size"); });
  EXPECT_TRUE(contains(text, "--frame-size")) << text;
  EXPECT_TRUE(contains(text, GetParam())) << text;
}

INSTANTIATE_TEST_SUITE_P(Values, BadSizeTest,
                         testing::Values("128", "128x", "x64", "0x64", "128x0", "8193x64", "128X64",
                                         "-1x64", "128x64x3", "1e2x64", "128 x 64"));

TEST(NamedDirectoriesTest, MapsNamesToDirectories) {
  const auto directories = named_directories({"prid=/data/a", "ilids=b=c"}, "--store");
  EXPECT_EQ(directories,
            (std::map<std::string, std::string>{{"prid", "/data/a"}, {"ilids", "b=c"}}));
}

TEST(NamedDirectoriesTest, AnythingElseIsNamedWithTheOption) {
  for (const char* value : {"prid", "=dir", "prid=", ""}) {
    const std::string text =
        failure_text<InputError>([&] { named_directories({value}, "--store"); });
    EXPECT_TRUE(contains(text, "--store")) << text;
    EXPECT_TRUE(contains(text, "'" + std::string(value) + "'")) << text;
  }
}

TEST(NamedDirectoriesTest, ANameGivenTwiceIsRefused) {
  const std::string text = failure_text<InputError>([] {
    named_directories({"a=x", "a=y"}, "--store");
  });
  EXPECT_TRUE(contains(text, "'a'")) << text;
}

TEST_F(CommandLineTest, NoThreadsAreAllCores) {
  line_.parse({"--jobs", "0"});
  EXPECT_EQ(line_.threads("jobs"), usable_cores());
}

TEST_F(CommandLineTest, SomeThreadsAreThatMany) {
  line_.parse({"--jobs", "1024"});
  EXPECT_EQ(line_.threads("jobs"), 1024);
}

TEST_F(CommandLineTest, TooManyThreadsAreRefused) {
  line_.parse({"--jobs", "1025"});
  const std::string text = failure_text<InputError>([&] { line_.threads("jobs"); });
  EXPECT_TRUE(contains(text, "--jobs")) << text;
}

}  // namespace
}  // namespace muster::launcher
