#include "datastore/batch_plan.h"

#include <gtest/gtest.h>

#include "common/sha256.h"
#include "tests/datastore/planned_store.h"

namespace muster::datastore {
namespace {
using common::contains;
using common::failure_text;
using common::InputError;
using common::TestDirectory;

constexpr int kIdentities = 6;

// Identity i has, under each of two cameras, one tracklet of 2 + 3 i frames: 5, 8, ..., 20;
// identity 1 a second one under camera 1.
FakeDataset uneven_dataset() {
  FakeDataset dataset;
  for (int16_t camera = 1; camera <= 2; ++camera) {
    for (int32_t identity = 1; identity <= kIdentities; ++identity) {
      dataset.add(identity, camera, 2 + 3 * identity);
    }
  }
  dataset.add(1, 1, 5, 1);
  return dataset;
}

class BatchPlanTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { own_ = std::make_unique<PlannedStore>(uneven_dataset()); }
  static void TearDownTestSuite() { own_.reset(); }
  static BatchOptions options() {
    BatchOptions result;
    result.identities = 3, result.clips = 2, result.frames = 4;
    return result;
  }
  static std::unique_ptr<BatchPlanner> planner(const BatchOptions& batch = options()) {
    return own_->planner(batch);
  }
  static int32_t identity(const ClipRequest& clip) { return own_->tracklet(clip).identity; }
  static int16_t camera(const ClipRequest& clip) { return own_->tracklet(clip).camera; }
  static int32_t length(const ClipRequest& clip) { return own_->tracklet(clip).length; }
  static std::unique_ptr<PlannedStore> own_;
};
std::unique_ptr<PlannedStore> BatchPlanTest::own_;

TEST_F(BatchPlanTest, ABatchHasDistinctIdentitiesTimesClips) {
  const auto plan = planner();
  EXPECT_EQ(plan->clips_per_batch(), 6);
  for (int64_t step = 1; step <= 50; ++step) {
    std::map<int32_t, int> clips;
    for (const ClipRequest& clip : plan->batch(step)) ++clips[identity(clip)];
    ASSERT_EQ(clips.size(), 3u) << step;
    for (const auto& [person, count] : clips) EXPECT_EQ(count, 2) << person;
  }
}

TEST_F(BatchPlanTest, EveryIdentityComesOnceInAnEpoch) {
  const auto plan = planner();
  for (int64_t epoch = 0; epoch < 20; ++epoch) {
    std::set<int32_t> seen;
    for (int64_t step = 2 * epoch + 1; step <= 2 * epoch + 2; ++step) {
      for (const ClipRequest& clip : plan->batch(step)) seen.insert(identity(clip));
    }
    EXPECT_EQ(seen.size(), size_t{kIdentities}) << epoch;
  }
}

// Six identities in batches of four: two batches have room for all of them.
TEST_F(BatchPlanTest, LeftOverIdentitiesSitOutOneEpochButComeInOthers) {
  BatchOptions four = options();
  four.identities = 4;
  const auto plan = planner(four);
  const int64_t batches_per_epoch = kIdentities / 4;
  std::set<int32_t> ever;
  for (int64_t epoch = 0; epoch < 20; ++epoch) {
    std::set<int32_t> seen;
    for (int64_t batch = 1; batch <= batches_per_epoch; ++batch) {
      for (const ClipRequest& clip : plan->batch(epoch * batches_per_epoch + batch)) {
        seen.insert(identity(clip));
      }
    }
    EXPECT_EQ(seen.size(), static_cast<size_t>(4 * batches_per_epoch));
    ever.insert(seen.begin(), seen.end());
  }
  EXPECT_EQ(ever.size(), size_t{kIdentities});
}

TEST_F(BatchPlanTest, EpochsDifferInTheirOrder) {
  const auto plan = planner();
  std::set<std::vector<int32_t>> orders;
  for (int64_t epoch = 0; epoch < 10; ++epoch) {
    std::vector<int32_t> order;
    for (const ClipRequest& clip : plan->batch(2 * epoch + 1)) order.push_back(clip.label);
    orders.insert(order);
  }
  EXPECT_GT(orders.size(), 5u);
}

TEST_F(BatchPlanTest, FramesAreConsecutive) {
  const auto plan = planner();
  for (int64_t step = 1; step <= 50; ++step) {
    for (const ClipRequest& clip : plan->batch(step)) {
      ASSERT_EQ(clip.frames.size(), 4u);
      EXPECT_GE(clip.frames.front(), 0);
      EXPECT_LT(clip.frames.back(), length(clip));
      for (size_t i = 1; i < 4; ++i) EXPECT_EQ(clip.frames[i], clip.frames[i - 1] + 1);
    }
  }
}

TEST_F(BatchPlanTest, EveryPossibleStartIsDrawn) {
  const auto plan = planner();
  std::map<int32_t, std::set<int32_t>> starts;
  for (int64_t step = 1; step <= 1500; ++step) {
    for (const ClipRequest& clip : plan->batch(step)) {
      starts[identity(clip)].insert(clip.frames.front());
    }
  }
  for (const auto& [person, seen] : starts) {
    const auto possible = static_cast<size_t>(2 + 3 * person - 4 + 1);
    EXPECT_EQ(seen.size(), possible) << person;
  }
}

TEST_F(BatchPlanTest, ATrackletShorterThanTheClipStartsOver) {
  BatchOptions longer = options();
  longer.frames = 12;
  const auto plan = planner(longer);
  int short_clips = 0;
  for (int64_t step = 1; step <= 10; ++step) {
    for (const ClipRequest& clip : plan->batch(step)) {
      ASSERT_EQ(clip.frames.size(), 12u);
      if (length(clip) >= 12) continue;
      ++short_clips;
      for (int i = 0; i < 12; ++i) {
        EXPECT_EQ(clip.frames[static_cast<size_t>(i)], i % length(clip));
      }
    }
  }
  EXPECT_GT(short_clips, 0);
}

TEST_F(BatchPlanTest, TheClipsOfAnIdentityTakeItsCamerasInTurn) {
  const auto plan = planner();
  for (int64_t step = 1; step <= 20; ++step) {
    const std::vector<ClipRequest> batch = plan->batch(step);
    for (size_t i = 0; i < batch.size(); i += 2) {
      EXPECT_EQ(identity(batch[i]), identity(batch[i + 1]));
      EXPECT_NE(camera(batch[i]), camera(batch[i + 1]));
    }
  }
}

TEST_F(BatchPlanTest, EitherCameraComesFirstSometimes) {
  const auto plan = planner();
  std::set<int16_t> first;
  for (int64_t step = 1; step <= 20; ++step) first.insert(camera(plan->batch(step)[0]));
  EXPECT_EQ(first.size(), 2u);
}

TEST_F(BatchPlanTest, EveryTrackletOfACameraIsDrawn) {
  const auto plan = planner();
  std::set<int32_t> drawn;
  for (int64_t step = 1; step <= 100; ++step) {
    for (const ClipRequest& clip : plan->batch(step)) drawn.insert(clip.tracklet);
  }
  EXPECT_EQ(drawn.size(), own_->store->tracklets().size());
}

TEST_F(BatchPlanTest, LabelsCountTheTrainingIdentitiesFromZero) {
  std::vector<int32_t> roles = own_->everyone();
  for (size_t i = 0; i < roles.size(); ++i) {
    if (own_->store->tracklets()[i].identity == 2) roles[i] = kRoleGallery;
  }
  const auto plan = create_batch_planner(*own_->store, roles, ClipFormat{}, options());
  EXPECT_EQ(plan->identity_count(), kIdentities - 1);
  std::map<int32_t, std::set<int32_t>> identities_of_label;
  for (int64_t step = 1; step <= 50; ++step) {
    for (const ClipRequest& clip : plan->batch(step)) {
      identities_of_label[clip.label].insert(identity(clip));
    }
  }
  const std::map<int32_t, std::set<int32_t>> expected = {
      {0, {1}}, {1, {3}}, {2, {4}}, {3, {5}}, {4, {6}}};
  EXPECT_EQ(identities_of_label, expected);
}

TEST_F(BatchPlanTest, WhoDoesNotTrainIsNeverDrawn) {
  std::vector<int32_t> roles = own_->everyone();
  roles[0] = kRoleQuery;  // one tracklet of identity 1
  const auto plan = create_batch_planner(*own_->store, roles, ClipFormat{}, options());
  for (int64_t step = 1; step <= 100; ++step) {
    for (const ClipRequest& clip : plan->batch(step)) EXPECT_NE(clip.tracklet, 0);
  }
}

TEST_F(BatchPlanTest, CropsLieInsideTheSlackAndReachItsEnds) {
  const auto plan = planner();  // 64x48 to 56x40: slack 8
  std::set<int32_t> rows, columns;
  for (int64_t step = 1; step <= 200; ++step) {
    for (const ClipRequest& clip : plan->batch(step)) {
      rows.insert(clip.transform.crop_y);
      columns.insert(clip.transform.crop_x);
    }
  }
  EXPECT_EQ(rows, (std::set<int32_t>{1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(columns, rows);
}

TEST_F(BatchPlanTest, WithoutSlackTheCropIsTheFrame) {
  const auto plan = create_batch_planner(*own_->store, own_->everyone(),
                                         ClipFormat{56, 40, 56, 40, false}, options());
  for (const ClipRequest& clip : plan->batch(1)) {
    EXPECT_EQ(clip.transform.crop_y, 0);
    EXPECT_EQ(clip.transform.crop_x, 0);
  }
}

TEST_F(BatchPlanTest, FlipsHappenHalfOfTheTime) {
  const auto plan = planner();
  int flips = 0;
  for (int64_t step = 1; step <= 500; ++step) {
    for (const ClipRequest& clip : plan->batch(step)) flips += clip.transform.flip ? 1 : 0;
  }
  EXPECT_NEAR(flips / 3000.0, 0.5, 6 * std::sqrt(0.25 / 3000));
}

TEST_F(BatchPlanTest, WithoutAugmentationTheWindowIsCentralAndNeverMirrored) {
  BatchOptions plain = options();
  plain.random_crop = plain.random_flip = false;
  const auto plan = planner(plain);
  for (int64_t step = 1; step <= 30; ++step) {
    for (const ClipRequest& clip : plan->batch(step)) {
      EXPECT_EQ(clip.transform.crop_y, 4);
      EXPECT_EQ(clip.transform.crop_x, 4);
      EXPECT_FALSE(clip.transform.flip);
    }
  }
}

TEST_F(BatchPlanTest, AugmentationDoesNotChangeWhichFramesAreDrawn) {
  BatchOptions plain = options();
  plain.random_crop = plain.random_flip = false;
  const auto with = planner(), without = planner(plain);
  for (int64_t step = 1; step <= 10; ++step) {
    const std::vector<ClipRequest> a = with->batch(step), b = without->batch(step);
    for (size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(a[i].tracklet, b[i].tracklet);
      EXPECT_EQ(a[i].frames, b[i].frames);
      EXPECT_EQ(a[i].key, b[i].key);
    }
  }
}

TEST_F(BatchPlanTest, ABatchDoesNotDependOnTheOrderOfCalls) {
  const auto forward = planner(), backward = planner();
  std::map<int64_t, std::string> hashes;
  for (int64_t step = 1; step <= 12; ++step) hashes[step] = batch_hash(forward->batch(step));
  for (int64_t step = 12; step >= 1; --step) {
    EXPECT_EQ(batch_hash(backward->batch(step)), hashes[step]) << step;
  }
}

TEST_F(BatchPlanTest, AllBatchesDiffer) {
  const auto plan = planner();
  std::set<std::string> hashes;
  for (int64_t step = 1; step <= 100; ++step) hashes.insert(batch_hash(plan->batch(step)));
  EXPECT_EQ(hashes.size(), 100u);
}

TEST_F(BatchPlanTest, AnotherSeedGivesOtherBatches) {
  BatchOptions other = options();
  other.seed = 2;
  EXPECT_NE(batch_hash(planner()->batch(1)), batch_hash(planner(other)->batch(1)));
}

TEST_F(BatchPlanTest, TooFewIdentitiesAreAnInputErrorThatNamesTheFieldAndTheStore) {
  BatchOptions greedy = options();
  greedy.identities = kIdentities + 1;
  const std::string text = failure_text<InputError>([&] { planner(greedy); });
  EXPECT_TRUE(contains(text, "training.batch.identities")) << text;
  EXPECT_TRUE(contains(text, (own_->directory / "store").string())) << text;
}

TEST_F(BatchPlanTest, ExactlyEnoughIdentitiesAreEnough) {
  BatchOptions all = options();
  all.identities = kIdentities;
  std::set<int32_t> seen;
  for (const ClipRequest& clip : planner(all)->batch(1)) seen.insert(identity(clip));
  EXPECT_EQ(seen.size(), size_t{kIdentities});
}

std::vector<ClipRequest> two_clips() {
  return {{3, 0, {5, 6, 7}, {1, 2, false}, 11}, {4, 1, {0, 1, 2}, {2, 1, true}, 12}};
}

TEST(BatchHashTest, IsASha256) {
  EXPECT_EQ(batch_hash({}), common::sha256_of(""));
  EXPECT_EQ(batch_hash(two_clips()).size(), 64u);
}

TEST(BatchHashTest, IsTheSameForTheSameBatch) {
  EXPECT_EQ(batch_hash(two_clips()), batch_hash(two_clips()));
}

// Changes one thing of the second clip.
class BatchHashChangeTest : public testing::TestWithParam<void (*)(ClipRequest&)> {};

TEST_P(BatchHashChangeTest, IsSeen) {
  std::vector<ClipRequest> changed = two_clips();
  GetParam()(changed[1]);
  EXPECT_NE(batch_hash(changed), batch_hash(two_clips()));
}

INSTANTIATE_TEST_SUITE_P(Changes, BatchHashChangeTest,
                         testing::Values([](ClipRequest& clip) { clip.tracklet = 5; },
                                         [](ClipRequest& clip) { clip.frames[2] = 3; },
                                         [](ClipRequest& clip) {
                                           std::swap(clip.frames[0], clip.frames[1]);
                                         },
                                         [](ClipRequest& clip) {
                                           clip.frames = {0, 12};
                                         },
                                         [](ClipRequest& clip) { clip.transform.crop_y = 3; },
                                         [](ClipRequest& clip) { clip.transform.crop_x = 3; },
                                         [](ClipRequest& clip) {
                                           clip.transform = {1, 2, true};
                                         },
                                         [](ClipRequest& clip) { clip.transform.flip = false; }));

TEST(BatchHashTest, OrderOfTheClipsCounts) {
  std::vector<ClipRequest> swapped = two_clips();
  std::swap(swapped[0], swapped[1]);
  EXPECT_NE(batch_hash(swapped), batch_hash(two_clips()));
}

TEST(ShareOfRankTest, SharesPartitionTheClipsInOrderForAnyRankCount) {
  for (const int64_t clips : {0, 1, 2, 7, 16, 33}) {
    for (int size = 1; size <= 40; ++size) {
      int64_t next = 0;
      for (int rank = 0; rank < size; ++rank) {
        const ClipRange share = share_of_rank(clips, rank, size);
        EXPECT_EQ(share.begin, next) << clips << " " << rank << "/" << size;
        EXPECT_GE(share.end, share.begin);
        next = share.end;
      }
      EXPECT_EQ(next, clips);
    }
  }
}

TEST(ShareOfRankTest, SharesDifferByAtMostOne) {
  for (const int64_t clips : {1, 7, 16, 33}) {
    for (int size = 1; size <= 40; ++size) {
      for (int rank = 0; rank < size; ++rank) {
        const ClipRange share = share_of_rank(clips, rank, size);
        EXPECT_GE(share.end - share.begin, clips / size);
        EXPECT_LE(share.end - share.begin, (clips + size - 1) / size);
      }
    }
  }
}

}  // namespace
}  // namespace muster::datastore
