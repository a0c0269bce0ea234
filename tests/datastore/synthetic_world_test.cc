#include "datastore/synthetic/synthetic_world.h"

#include <gtest/gtest.h>
#include <matio.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <set>
#include <sstream>

#include "common/atomic_file.h"
#include "common/error.h"
#include "datastore/dataset_catalog.h"

namespace muster::datastore {
namespace {

namespace fs = std::filesystem;

class SyntheticWorldTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    root_ = fs::temp_directory_path() /
            ("muster_synth_" + std::string(test->name()) + "_" + std::to_string(::getpid()));
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  // A world small enough for a test.
  fs::path rendered(const std::string& world, const std::string& name, uint64_t seed = 1,
                    int jobs = 1, int identities = 4, int frames = 3) {
    SyntheticWorldOptions options;
    options.world = world;
    options.output = root_ / name;
    options.identities = identities;
    options.frames = frames;
    options.seed = seed;
    options.jobs = jobs;
    common::SilentProgress progress;
    render_synthetic_world(options, progress);
    return options.output;
  }

  fs::path root_;
};

std::map<std::string, std::string> contents(const fs::path& root) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file()) continue;
    files[fs::relative(entry.path(), root).string()] = common::read_file(entry.path());
  }
  return files;
}

std::vector<fs::path> sorted_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> lines_of(const fs::path& path) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> fields_of(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> fields;
  for (std::string field; std::getline(in, field, ',');) fields.push_back(field);
  return fields;
}

struct Matrix {
  size_t rows = 0, columns = 0;
  std::vector<int32_t> by_column;
  int32_t at(size_t row, size_t column) const { return by_column[column * rows + row]; }
};

Matrix read_matrix(const fs::path& path, const char* variable) {
  const std::unique_ptr<mat_t, int (*)(mat_t*)> file(Mat_Open(path.c_str(), MAT_ACC_RDONLY),
                                                     Mat_Close);
  if (!file) throw common::SystemError(path.string(), "cannot be opened");
  const std::unique_ptr<matvar_t, void (*)(matvar_t*)> read(Mat_VarRead(file.get(), variable),
                                                            Mat_VarFree);
  if (!read) throw common::SystemError(path.string(), "lacks the variable");
  Matrix matrix{read->dims[0], read->dims[1], {}};
  const auto* values = static_cast<const int32_t*>(read->data);
  matrix.by_column.assign(values, values + matrix.rows * matrix.columns);
  return matrix;
}

// Mean picture of a tracklet, blurred so that a step to the side matters little.
cv::Mat mean_picture(const std::vector<fs::path>& frames, size_t first, size_t last) {
  cv::Mat sum;
  for (size_t frame = first; frame < last; ++frame) {
    cv::Mat picture;
    cv::imread(frames[frame].string()).convertTo(picture, CV_32FC3);
    if (sum.empty()) sum = cv::Mat::zeros(picture.size(), CV_32FC3);
    sum += picture;
  }
  sum /= static_cast<double>(last - first);
  cv::GaussianBlur(sum, sum, cv::Size(), 3);
  return sum;
}

TEST_F(SyntheticWorldTest, SameSeedGivesTheSameBytesForAnyNumberOfJobs) {
  for (const std::string& world : synthetic_world_names()) {
    const auto one = contents(rendered(world, world + "-1", 7, 1));
    const auto two = contents(rendered(world, world + "-2", 7, 2));
    EXPECT_TRUE(one == two) << world;
    EXPECT_GT(one.size(), world == "video" ? 5u : 16u) << world;
  }
}

TEST_F(SyntheticWorldTest, AnotherSeedGivesOtherPictures) {
  const auto one = contents(rendered("prid2011", "one", 1));
  const auto two = contents(rendered("prid2011", "two", 2));
  const std::string frame = "multi_shot/cam_a/person_0001/0001.png";
  EXPECT_NE(one.at(frame), two.at(frame));
}

TEST_F(SyntheticWorldTest, AddingPeopleDoesNotChangeTheFirst) {
  const auto few = contents(rendered("prid2011", "few", 1, 1, 3));
  const auto more = contents(rendered("prid2011", "more", 1, 1, 5));
  const std::string frame = "multi_shot/cam_b/person_0003/0002.png";
  EXPECT_TRUE(few.at(frame) == more.at(frame));
}

TEST_F(SyntheticWorldTest, PridHasCommonPeopleFirstThenSingles) {
  const fs::path world = rendered("prid2011", "prid", 1, 1, 10);
  EXPECT_TRUE(fs::exists(world / "multi_shot/cam_a/person_0201/0001.png"));
  EXPECT_FALSE(fs::exists(world / "multi_shot/cam_a/person_0011"));
  EXPECT_TRUE(fs::exists(world / "multi_shot/cam_b/person_0202/0001.png"));
  const cv::Mat frame = cv::imread((world / "multi_shot/cam_a/person_0001/0001.png").string());
  EXPECT_EQ(frame.size(), cv::Size(64, 128));
  EXPECT_TRUE(fs::exists(world / "joints/multi_shot/cam_b/person_0202.csv"));
  const std::string note = common::read_file(world / "muster-synthetic.json");
  EXPECT_NE(note.find("\"synthetic\": true"), std::string::npos);
  EXPECT_NE(note.find("\"world\": \"prid2011\""), std::string::npos);
}

TEST_F(SyntheticWorldTest, IlidsNumbersHaveGapsAndSplitsArePermutations) {
  const fs::path world = rendered("ilids-vid", "ilids", 1, 1, 6);
  const auto people = sorted_files(world / "sequences/cam1");
  ASSERT_EQ(people.size(), 6u);
  EXPECT_GT(std::stoi(people.back().filename().string().substr(6)), 6);
  for (const fs::path& person : people) {
    const std::string name = person.filename().string();
    EXPECT_TRUE(fs::is_directory(world / "sequences/cam2" / name));
    for (const fs::path& frame : sorted_files(person)) {
      EXPECT_EQ(frame.filename().string().rfind("cam1_" + name + "_", 0), 0u);
      EXPECT_EQ(frame.stem().string().size(), std::string("cam1_person001_00317").size());
    }
  }
  const Matrix splits =
      read_matrix(world / "train-test people splits" / "train_test_splits_ilidsvid.mat", "ls_set");
  ASSERT_EQ(splits.rows, 10u);
  ASSERT_EQ(splits.columns, 6u);
  for (size_t row = 0; row < 10; ++row) {
    std::set<int32_t> seen;
    for (size_t column = 0; column < 6; ++column) seen.insert(splits.at(row, column));
    EXPECT_EQ(seen, (std::set<int32_t>{1, 2, 3, 4, 5, 6}));
  }
}

TEST_F(SyntheticWorldTest, SduHasTheSamePeopleInBothCameras) {
  const fs::path world = rendered("sdu-vid", "sdu");
  EXPECT_EQ(sorted_files(world / "sequences/cam1").size(), 4u);
  EXPECT_EQ(sorted_files(world / "sequences/cam2").size(), 4u);
  EXPECT_TRUE(fs::exists(world / "joints/sequences/cam2/person004.csv"));
}

void expect_table_matches_names(const fs::path& world, const std::string& part) {
  const auto names = lines_of(world / "info" / (part + "_name.txt"));
  std::vector<std::string> walked;
  for (const fs::path& folder : sorted_files(world / ("bbox_" + part))) {
    for (const fs::path& file : sorted_files(folder)) walked.push_back(file.filename().string());
  }
  EXPECT_EQ(names, walked) << part;
  const Matrix table = read_matrix(world / "info" / ("tracks_" + part + "_info.mat"),
                                   ("track_" + part + "_info").c_str());
  ASSERT_EQ(table.columns, 4u);
  int32_t next = 1;
  for (size_t row = 0; row < table.rows; ++row) {
    EXPECT_EQ(table.at(row, 0), next);
    const std::string& name = names[static_cast<size_t>(next - 1)];
    const std::string last = names[static_cast<size_t>(table.at(row, 1) - 1)];
    EXPECT_EQ(name.substr(0, 11), last.substr(0, 11));
    const int32_t identity = name.substr(0, 4) == "00-1" ? -1 : std::stoi(name.substr(0, 4));
    EXPECT_EQ(table.at(row, 2), identity);
    EXPECT_EQ(table.at(row, 3), name[5] - '0');
    next = table.at(row, 1) + 1;
  }
  EXPECT_EQ(static_cast<size_t>(next - 1), names.size());
}

TEST_F(SyntheticWorldTest, MarsListsAgreeWithItsFolders) {
  const fs::path world = rendered("mars", "mars", 1, 2, 8);
  expect_table_matches_names(world, "train");
  expect_table_matches_names(world, "test");
  EXPECT_TRUE(fs::is_directory(world / "bbox_test/0000"));
  EXPECT_TRUE(fs::is_directory(world / "bbox_test/00-1"));
  EXPECT_TRUE(fs::exists(world / "joints/bbox_test/0000/0000C1T0001.csv"));
}

TEST_F(SyntheticWorldTest, MarsAsksOncePerIdentityAndCameraThatHasAnother) {
  const fs::path world = rendered("mars", "mars", 3, 2, 8);
  const Matrix test = read_matrix(world / "info/tracks_test_info.mat", "track_test_info");
  const Matrix queries = read_matrix(world / "info/query_IDX.mat", "query_IDX");
  std::map<int32_t, std::set<int32_t>> cameras_of;
  for (size_t row = 0; row < test.rows; ++row) {
    if (test.at(row, 2) > 0) cameras_of[test.at(row, 2)].insert(test.at(row, 3));
  }
  size_t expected = 0;
  for (const auto& [identity, cameras] : cameras_of) {
    if (cameras.size() > 1) expected += cameras.size();
  }
  ASSERT_EQ(queries.columns, expected);
  std::set<std::pair<int32_t, int32_t>> asked;
  for (size_t query = 0; query < expected; ++query) {
    const auto row = static_cast<size_t>(queries.at(0, query) - 1);
    asked.insert({test.at(row, 2), test.at(row, 3)});
  }
  EXPECT_EQ(asked.size(), expected);
}

TEST_F(SyntheticWorldTest, JointsLieInTheFrameAndMove) {
  const fs::path world = rendered("prid2011", "prid", 1, 1, 6, 20);
  for (const fs::path& file : sorted_files(world / "joints/multi_shot/cam_a")) {
    const auto lines = lines_of(file);
    const fs::path frames = world / "multi_shot/cam_a" / file.stem();
    ASSERT_EQ(lines.size(), 1 + sorted_files(frames).size());
    ASSERT_EQ(fields_of(lines[0]).size(), 43u);
    EXPECT_EQ(lines[0].substr(0, 15), "frame,x1,y1,c1,");
    float lowest_x = 1e9f, highest_x = -1e9f;
    size_t visible = 0, inside = 0;
    for (size_t row = 1; row < lines.size(); ++row) {
      const auto fields = fields_of(lines[row]);
      EXPECT_TRUE(fs::exists(frames / fields[0]));
      for (size_t joint = 0; joint < 14; ++joint) {
        const float x = std::stof(fields[1 + 3 * joint]), y = std::stof(fields[2 + 3 * joint]);
        const float confidence = std::stof(fields[3 + 3 * joint]);
        visible += confidence == 1;
        if (confidence == 0) continue;
        ++inside;
        // Whole numbers are centres of pixels.
        EXPECT_TRUE(x >= -0.5f && x <= 63.5f && y >= -0.5f && y <= 127.5f) << x << " " << y;
      }
      const float ankle = std::stof(fields[1 + 3 * 10]) - std::stof(fields[1 + 3 * 13]);
      lowest_x = std::min(lowest_x, ankle);
      highest_x = std::max(highest_x, ankle);
    }
    const size_t all = 14 * (lines.size() - 1);
    EXPECT_GT(inside, all * 8 / 10) << file;
    EXPECT_GT(visible, all * 3 / 10) << file;
    EXPECT_GT(highest_x - lowest_x, 4) << "the feet of " << file << " do not walk";
  }
}

TEST_F(SyntheticWorldTest, PeopleDifferMoreFromEachOtherThanFromThemselves) {
  const fs::path world = rendered("prid2011", "prid", 1, 2, 8, 20);
  std::vector<cv::Mat> first_half, second_half;
  for (const fs::path& person : sorted_files(world / "multi_shot/cam_a")) {
    const auto frames = sorted_files(person);
    first_half.push_back(mean_picture(frames, 0, frames.size() / 2));
    second_half.push_back(mean_picture(frames, frames.size() / 2, frames.size()));
  }
  double own = 0, others = 0;
  const size_t people = first_half.size();
  for (size_t left = 0; left < people; ++left) {
    for (size_t right = 0; right < people; ++right) {
      const double distance = cv::norm(first_half[left], second_half[right]);
      (left == right ? own : others) += distance;
    }
  }
  own /= static_cast<double>(people);
  others /= static_cast<double>(people * (people - 1));
  EXPECT_GT(others, 1.3 * own);
}

std::unique_ptr<DatasetReader> opened(const std::string& layout, const fs::path& world) {
  common::SilentProgress progress;
  for (const LayoutEntry& entry : layout_catalog()) {
    if (entry.name == layout)
      return entry.open(world, {entry.frame_height, entry.frame_width, 1, OnError::kFail},
                        progress);
  }
  throw common::InputError(layout, "is no layout");
}

// Rows of a table as numbers; words are 0.
std::vector<std::vector<double>> rows_of(const fs::path& path) {
  std::vector<std::vector<double>> rows;
  for (const std::string& line : lines_of(path)) {
    rows.emplace_back();
    for (const std::string& field : fields_of(line))
      rows.back().push_back(std::atof(field.c_str()));
  }
  return rows;
}

TEST_F(SyntheticWorldTest, FilmsAreReadAsTheirFileOfIdentitiesSays) {
  for (const std::string world : {"mot", "video"}) {
    const fs::path root = rendered(world, world, 1, 2, 8, 40);
    std::set<std::pair<int32_t, int16_t>> listed, read;
    std::map<int32_t, std::set<int32_t>> cameras;
    for (const auto& row : rows_of(root / "identities.csv")) {
      if (row[2] == 0) continue;  // the heading
      listed.insert({static_cast<int32_t>(row[2]), static_cast<int16_t>(row[3])});
      cameras[static_cast<int32_t>(row[2])].insert(static_cast<int32_t>(row[3]));
    }
    const auto dataset = opened(world, root);
    EXPECT_TRUE(dataset->facts().synthetic);
    int64_t frames = 0;
    for (const TrackletDescription& tracklet : dataset->tracklets()) {
      read.insert({tracklet.identity, tracklet.camera});
      frames += tracklet.frames;
    }
    EXPECT_EQ(read, listed) << world;
    EXPECT_GT(dataset->tracklets().size(), listed.size())
        << "no track of " << world << " has a gap";
    EXPECT_EQ(cameras.size(), 8u);
    EXPECT_EQ(cameras[1].size(), world == "mot" ? 3u : 2u);
    EXPECT_EQ(cameras[8], std::set<int32_t>{1}) << "someone is seen by one camera only";
    int64_t boxes = 0;
    for (const auto& file : contents(root)) {
      const bool mot = file.first.find("gt.txt") != std::string::npos;
      if (!mot && file.first.find("boxes.csv") == std::string::npos) continue;
      for (const auto& row : rows_of(root / file.first)) {
        boxes += mot ? row[7] == 1 : row[0] > 0;
      }
    }
    EXPECT_EQ(frames, boxes) << world;
  }
}

TEST_F(SyntheticWorldTest, WhatMovesInAFilmLiesInTheBoxes) {
  const fs::path sequence = rendered("mot", "mot", 2, 2, 6, 30) / "SYNTH-01";
  std::map<int, std::vector<cv::Rect2d>> boxes;
  for (const auto& row : rows_of(sequence / "det/det.txt")) {
    boxes[static_cast<int>(row[0])].push_back({row[2] - 1, row[3] - 1, row[4], row[5]});
  }
  std::vector<cv::Mat> pictures;
  for (const fs::path& file : sorted_files(sequence / "img1")) {
    pictures.push_back(cv::imread(file.string()));
  }
  ASSERT_GT(pictures.size(), 60u);
  size_t inside = 0, outside = 0;
  std::vector<uint8_t> levels(pictures.size());
  for (int y = 0; y < 240; y += 3) {
    for (int x = 0; x < 320; x += 3) {
      for (size_t i = 0; i < levels.size(); ++i) levels[i] = pictures[i].at<cv::Vec3b>(y, x)[1];
      std::vector<uint8_t> sorted = levels;
      std::nth_element(sorted.begin(), sorted.begin() + sorted.size() / 2, sorted.end());
      const int street = sorted[sorted.size() / 2];
      for (size_t i = 0; i < levels.size(); ++i) {
        if (std::abs(levels[i] - street) < 45) continue;
        bool boxed = false;
        for (const cv::Rect2d& box : boxes[static_cast<int>(i) + 1]) {
          boxed = boxed || box.contains(cv::Point2d(x, y));
        }
        (boxed ? inside : outside) += 1;
      }
    }
  }
  EXPECT_GT(inside, 2000u);
  EXPECT_LT(outside, inside / 20);
}

TEST_F(SyntheticWorldTest, MotHasPicturesTruthAndDetectionsAndOneVideo) {
  const fs::path world = rendered("mot", "mot", 1, 2, 4, 12);
  for (const char* name : {"SYNTH-01", "SYNTH-02", "SYNTH-03"}) {
    const fs::path sequence = world / name;
    for (const char* file : {"gt/gt.txt", "det/det.txt", "seqinfo.ini"}) {
      EXPECT_TRUE(fs::exists(sequence / file)) << sequence / file;
    }
    EXPECT_NE(fs::exists(sequence / "img1/000001.jpg"),
              fs::exists(sequence / (std::string(name) + ".avi")));
    std::set<double> classes;
    for (const auto& row : rows_of(sequence / "gt/gt.txt")) classes.insert(row[7]);
    EXPECT_EQ(classes, (std::set<double>{1, 7}));
  }
  EXPECT_TRUE(fs::exists(world / "SYNTH-03/SYNTH-03.avi"));
}

TEST_F(SyntheticWorldTest, RefusesAnOutputThatHoldsSomething) {
  fs::create_directories(root_ / "taken");
  std::ofstream(root_ / "taken" / "mine.txt") << "keep";
  EXPECT_THROW(rendered("prid2011", "taken"), common::InputError);
  EXPECT_EQ(common::read_file(root_ / "taken" / "mine.txt"), "keep");
  EXPECT_EQ(sorted_files(root_).size(), 1u) << "a temporary folder was left behind";
}

TEST_F(SyntheticWorldTest, RefusesAnUnknownWorldAndListsTheKnownOnes) {
  try {
    rendered("atlantis", "out");
    FAIL() << "no error";
  } catch (const common::InputError& error) {
    for (const std::string& name : synthetic_world_names()) {
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
    }
  }
  EXPECT_FALSE(fs::exists(root_ / "out"));
}

TEST_F(SyntheticWorldTest, RefusesNumbersOutOfRange) {
  EXPECT_THROW(rendered("prid2011", "out", 1, 1, -1), common::InputError);
  EXPECT_THROW(rendered("prid2011", "out", 1, 1, 4, 100000), common::InputError);
  EXPECT_THROW(rendered("prid2011", "out", 1, 0), common::InputError);
}

}  // namespace
}  // namespace muster::datastore
