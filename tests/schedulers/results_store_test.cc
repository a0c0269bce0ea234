#include "schedulers/results_store.h"

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "common/atomic_file.h"
#include "common/error.h"
#include "tests/common/support.h"

namespace muster::schedulers {
namespace {
namespace fs = std::filesystem;
using common::contains;
using common::failure_text;
using common::InputError;
using common::TestDirectory;
using google::protobuf::util::MessageDifferencer;

proto::ReportCell example(const std::string& train = "prid") {
  proto::ReportCell cell;
  cell.set_train(train);
  cell.set_test("ilids \"vid\"");
  cell.set_method("STSRN");
  cell.set_split(3);
  for (const double ratio : {1.0 / 3, 0.1, 1e-17, 1.0}) cell.add_cmc(ratio);
  cell.set_mean_average_precision(2.0 / 7);
  cell.set_queries(89);
  cell.set_gallery(int64_t{1} << 60);
  cell.set_synthetic(true);
  cell.set_settings("training {\n  steps: 7\n}\n");
  proto::ReportFact* fact = cell.add_provenance();
  fact->set_name("machine");
  fact->set_value("a node");
  return cell;
}

// A workspace with an empty folder of results.
class ResultsStoreTest : public testing::Test {
 protected:
  ResultsStoreTest() { fs::create_directory(directory_ / "results"); }
  const fs::path& workspace() const { return directory_.path(); }
  fs::path result(const std::string& name) const { return workspace() / "results" / name; }
  TestDirectory directory_;
};

TEST_F(ResultsStoreTest, AResultComesBackExactly) {
  write_result(result("a.json"), example());
  const std::vector<proto::ReportCell> cells = read_results(workspace());
  ASSERT_EQ(cells.size(), 1u);
  EXPECT_TRUE(MessageDifferencer::Equals(cells[0], example())) << cells[0].DebugString();
}

TEST_F(ResultsStoreTest, OnlyAResultMayBeReplaced) {
  require_replaceable_result(result("new.json"));
  write_result(result("a.json"), example());
  require_replaceable_result(result("a.json"));
  for (const char* content : {"", "{}", "my thesis", "{\"train\": \"mine\"}", "[1, 2]"}) {
    std::ofstream(result("other.json")) << content;
    const std::string text =
        failure_text<InputError>([&] { require_replaceable_result(result("other.json")); });
    EXPECT_TRUE(contains(text, result("other.json").string())) << text;
    EXPECT_EQ(common::read_file(result("other.json")), content);
  }
  EXPECT_THROW(require_replaceable_result(workspace() / "results"), InputError);
}

TEST_F(ResultsStoreTest, AResultIsJsonWithTheSchemasNames) {
  write_result(result("a.json"), example());
  const auto value = nlohmann::json::parse(common::read_file(result("a.json")));
  EXPECT_EQ(value.at("train"), "prid");
  EXPECT_EQ(value.at("mean_average_precision"), 2.0 / 7);
  EXPECT_EQ(value.at("cmc").size(), 4u);
}

TEST_F(ResultsStoreTest, ResultsComeInTheOrderOfTheirFileNames) {
  write_result(result("b.json"), example("second"));
  write_result(result("c.json"), example("third"));
  write_result(result("a.json"), example("first"));
  std::vector<std::string> order;
  for (const auto& cell : read_results(workspace())) order.push_back(cell.train());
  EXPECT_EQ(order, (std::vector<std::string>{"first", "second", "third"}));
}

TEST_F(ResultsStoreTest, ANewResultReplacesTheOldOneOfThatName) {
  write_result(result("a.json"), example("old"));
  write_result(result("a.json"), example("new"));
  const std::vector<proto::ReportCell> cells = read_results(workspace());
  ASSERT_EQ(cells.size(), 1u);
  EXPECT_EQ(cells[0].train(), "new");
}

TEST_F(ResultsStoreTest, WritingLeavesOneFile) {
  write_result(result("a.json"), example());
  EXPECT_EQ(common::names_in(workspace() / "results"), std::vector<std::string>{"a.json"});
}

TEST_F(ResultsStoreTest, WritingMakesMissingFolders) {
  const fs::path file = workspace() / "deep" / "results" / "a.json";
  write_result(file, example());
  EXPECT_EQ(read_results(workspace() / "deep").size(), 1u);
}

TEST_F(ResultsStoreTest, AFolderThatIsAFileIsASystemErrorThatNamesIt) {
  std::ofstream(workspace() / "file") << "x";
  const fs::path path = workspace() / "file/results/a.json";
  const std::string text =
      failure_text<common::SystemError>([&] { write_result(path, example()); });
  EXPECT_EQ(text.rfind(path.parent_path().string() + ":", 0), 0u) << text;
}

TEST_F(ResultsStoreTest, AnEmptyWorkspaceHasNoResults) {
  EXPECT_TRUE(read_results(workspace()).empty());
}

TEST_F(ResultsStoreTest, AWorkspaceWithoutResultsFolderHasNoResults) {
  fs::remove(workspace() / "results");
  EXPECT_TRUE(read_results(workspace()).empty());
}

TEST_F(ResultsStoreTest, AMissingWorkspaceIsNamed) {
  const std::string text = failure_text<InputError>([&] { read_results(workspace() / "absent"); });
  EXPECT_TRUE(contains(text, (workspace() / "absent").string())) << text;
}

TEST_F(ResultsStoreTest, HiddenAndOtherFilesAreNoResults) {
  std::ofstream(result(".a.json")) << "half writ";
  std::ofstream(result("notes.txt")) << "by hand";
  EXPECT_TRUE(read_results(workspace()).empty());
}

// Content that is not a result.
class NotAResultTest : public ResultsStoreTest, public testing::WithParamInterface<const char*> {};

TEST_P(NotAResultTest, IsNamed) {
  write_result(result("a.json"), example());
  std::ofstream(result("b.json")) << GetParam();
  const std::string text = failure_text<InputError>([&] { read_results(workspace()); });
  EXPECT_TRUE(contains(text, result("b.json").string())) << text;
}

INSTANTIATE_TEST_SUITE_P(Contents, NotAResultTest,
                         testing::Values("", "not json", "{\"train\": \"a\"", "[]",
                                         "{\"no_such_field\": 1}", "{\"split\": \"three\"}"));

}  // namespace
}  // namespace muster::schedulers
