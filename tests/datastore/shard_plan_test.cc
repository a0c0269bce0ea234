#include "datastore/shard_plan.h"

#include <gtest/gtest.h>

#include <numeric>

#include "common/error.h"
#include "tests/datastore/small_store.h"

namespace muster::datastore {
namespace {

namespace fs = std::filesystem;
using common::contains;
using common::failure_text;

// A raw frame takes 24 * 16 * 3 bytes, its flow 12 * 8 * 2.
constexpr uint64_t kFrameBytes = 1152 + 192;

std::vector<TrackletDescription> tracklets_of(const std::vector<int64_t>& lengths) {
  std::vector<TrackletDescription> tracklets;
  for (const int64_t length : lengths) {
    tracklets.push_back({1, 1, 0, length, "tracklet", kRoleNone});
  }
  return tracklets;
}

std::vector<std::pair<size_t, size_t>> ranges(const std::vector<ShardPlan>& plans) {
  std::vector<std::pair<size_t, size_t>> ranges;
  for (const ShardPlan& plan : plans) ranges.emplace_back(plan.first, plan.last);
  return ranges;
}

TEST(PlanShardsTest, FillsEachShardUpToItsSize) {
  IngestOptions options = small_options();
  options.shard_bytes = 10 * kFrameBytes;
  const auto plans = plan_shards(tracklets_of({4, 6, 5, 5, 1, 9}), options);
  EXPECT_EQ(ranges(plans), (std::vector<std::pair<size_t, size_t>>{{0, 2}, {2, 4}, {4, 6}}));
  EXPECT_EQ(plans[2].file, "shard-00002.h5");
  EXPECT_EQ(plans[2].frames, 10);
}

TEST(PlanShardsTest, ATrackletLargerThanAShardGetsItsOwn) {
  IngestOptions options = small_options();
  options.shard_bytes = 10 * kFrameBytes;
  EXPECT_EQ(ranges(plan_shards(tracklets_of({2, 30, 2}), options)),
            (std::vector<std::pair<size_t, size_t>>{{0, 1}, {1, 2}, {2, 3}}));
}

TEST(PlanShardsTest, NothingNeedsNoShard) { EXPECT_TRUE(plan_shards({}, small_options()).empty()); }

uint64_t estimate_of_all(const FakeDataset& dataset, const IngestOptions& options) {
  std::vector<size_t> all(dataset.tracklets().size());
  std::iota(all.begin(), all.end(), size_t{0});
  return estimated_bytes(dataset, all, false, options);
}

TEST(EstimatedBytesTest, CountsTheChosenTrackletsAlone) {
  const FakeDataset dataset = two_camera_dataset(2, 30);
  const auto all = static_cast<double>(estimate_of_all(dataset, small_options()));
  EXPECT_NEAR(static_cast<double>(estimated_bytes(dataset, {1, 2}, false, small_options())),
              all / 2, 100);
}

TEST(EstimatedBytesTest, IsCloseToWhatIsWritten) {
  for (const FrameEncoding encoding : {FrameEncoding::kRaw, FrameEncoding::kJpeg}) {
    const common::TestDirectory directory;
    const FakeDataset dataset = two_camera_dataset(20, 10);
    const uint64_t estimate = estimate_of_all(dataset, small_options(encoding));
    const Manifest manifest =
        build_store(dataset, directory / "store", small_options(encoding)).manifest;
    const auto written = static_cast<double>(manifest.shards.at(0).bytes);
    EXPECT_NEAR(static_cast<double>(estimate) / written, 1.0, 0.15);
  }
}

TEST(EstimatedBytesTest, UnreadableFramesDoNotStopIt) {
  FakeDataset dataset = two_camera_dataset(1, 3);
  dataset.break_frame(0, 1);
  dataset.break_frame(1, 1);
  EXPECT_GT(estimate_of_all(dataset, small_options()), 6 * kFrameBytes - 1);
}

TEST(RequireRoomTest, NamesTheStoreAndBothSizes) {
  const common::TestDirectory directory;
  const uint64_t free = free_bytes(directory / "not/yet/there");
  EXPECT_NO_THROW(require_room(directory / "store", free / 2));
  const std::string text = failure_text<common::InputError>(
      [&] { require_room(directory / "store", uint64_t{1} << 60); });
  EXPECT_TRUE(contains(text, (directory / "store").string())) << text;
  EXPECT_TRUE(contains(text, "1153 PB")) << text;
}

TEST(ReadableBytesTest, HasThreeDigitsAndAUnit) {
  EXPECT_EQ(readable_bytes(0), "0 B");
  EXPECT_EQ(readable_bytes(999), "999 B");
  EXPECT_EQ(readable_bytes(1000), "1.00 kB");
  EXPECT_EQ(readable_bytes(12345678), "12 MB");
  EXPECT_EQ(readable_bytes(999600), "1.00 MB");
  EXPECT_EQ(readable_bytes(2500000000), "2.50 GB");
}

}  // namespace
}  // namespace muster::datastore
