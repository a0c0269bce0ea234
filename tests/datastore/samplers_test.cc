// Of the samplers other than the identity-balanced one (batch_plan_test.cc), and of what holds for
// all of them.
#include <gtest/gtest.h>

#include <numeric>
#include <thread>

#include "tests/datastore/planned_store.h"

namespace muster::datastore {
namespace {
using common::contains;
using common::failure_text;
using common::InputError;

constexpr Sampler kSamplers[] = {Sampler::kIdentities, Sampler::kTracklets, Sampler::kPairs,
                                 Sampler::kTriplets, Sampler::kFrames};

// Identities 1 to 4 under cameras 1 to 3, with identity + 3 frames (4 to 7); 5 under camera 2 only,
// 9 frames; identity 1 twice under camera 1. 14 tracklets.
FakeDataset uneven_dataset() {
  FakeDataset dataset;
  for (int16_t camera = 1; camera <= 3; ++camera) {
    for (int32_t identity = 1; identity <= 4; ++identity) {
      dataset.add(identity, camera, identity + 3);
    }
  }
  dataset.add(5, 2, 9);
  dataset.add(1, 1, 4, 1);
  return dataset;
}

class SamplersTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { own_ = std::make_unique<PlannedStore>(uneven_dataset()); }
  static void TearDownTestSuite() { own_.reset(); }
  static BatchOptions options(Sampler sampler, int size = 4) {
    BatchOptions result;
    result.sampler = sampler;
    result.identities = 3, result.clips = 2, result.frames = 4;
    result.size = size;
    return result;
  }
  static std::unique_ptr<BatchPlanner> planner(const BatchOptions& batch) {
    return own_->planner(batch);
  }
  static const StoredTracklet& tracklet(const ClipRequest& clip) { return own_->tracklet(clip); }
  static std::unique_ptr<PlannedStore> own_;
};
std::unique_ptr<PlannedStore> SamplersTest::own_;

TEST_F(SamplersTest, LabelsAreIdentitiesInAscendingOrder) {
  for (const Sampler sampler : kSamplers) {
    const auto plan = planner(options(sampler));
    EXPECT_EQ(plan->identity_count(), 5);
    for (int64_t step = 1; step <= 20; ++step) {
      for (const ClipRequest& clip : plan->batch(step)) {
        EXPECT_EQ(clip.label + 1, tracklet(clip).identity);
      }
    }
  }
}

TEST_F(SamplersTest, ABatchHasTheStatedNumberOfClips) {
  const int64_t expected[] = {6, 4, 8, 12, 4};
  for (size_t i = 0; i < 5; ++i) {
    const auto plan = planner(options(kSamplers[i]));
    EXPECT_EQ(plan->clips_per_batch(), expected[i]);
    for (int64_t step = 1; step <= 20; ++step) {
      EXPECT_EQ(static_cast<int64_t>(plan->batch(step).size()), expected[i]);
    }
  }
}

TEST_F(SamplersTest, SeekingGivesWhatWalkingGives) {
  for (const Sampler sampler : kSamplers) {
    const auto walked = planner(options(sampler));
    std::map<int64_t, std::string> hashes;
    for (int64_t step = 1; step <= 60; ++step) hashes[step] = batch_hash(walked->batch(step));
    for (const int64_t step : {60, 1, 37, 38, 12}) {
      EXPECT_EQ(batch_hash(planner(options(sampler))->batch(step)), hashes[step]) << step;
    }
    EXPECT_EQ(planner(options(sampler))->batch(int64_t{1} << 40).size(), walked->batch(1).size());
  }
}

TEST_F(SamplersTest, SeveralThreadsGetTheSameBatches) {
  for (const Sampler sampler : kSamplers) {
    const auto shared = planner(options(sampler)), alone = planner(options(sampler));
    std::vector<std::string> expected;
    for (int64_t step = 1; step <= 64; ++step) expected.push_back(batch_hash(alone->batch(step)));
    std::vector<std::string> found(64);
    std::vector<std::thread> threads;
    for (size_t number = 0; number < 4; ++number) {
      threads.emplace_back([&, number] {
        for (size_t step = number; step < 64; step += 4) {
          found[step] = batch_hash(shared->batch(static_cast<int64_t>(step) + 1));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(found, expected);
  }
}

TEST_F(SamplersTest, ANewSeedGivesOtherBatchesAndOtherKeys) {
  for (const Sampler sampler : kSamplers) {
    BatchOptions other = options(sampler);
    other.seed = 2;
    const auto a = planner(options(sampler))->batch(1), b = planner(other)->batch(1);
    EXPECT_NE(batch_hash(a), batch_hash(b));
    EXPECT_NE(a[0].key, b[0].key);
  }
}

TEST_F(SamplersTest, EveryClipOfEveryStepHasItsOwnKey) {
  for (const Sampler sampler : kSamplers) {
    const auto plan = planner(options(sampler));
    std::set<uint64_t> keys;
    for (int64_t step = 1; step <= 200; ++step) {
      for (const ClipRequest& clip : plan->batch(step)) keys.insert(clip.key);
    }
    EXPECT_EQ(static_cast<int64_t>(keys.size()), 200 * plan->clips_per_batch());
  }
}

TEST_F(SamplersTest, EveryFrameComesOnceAnEpochAsAClipOfItsOwn) {
  const int frames = 3 * (4 + 5 + 6 + 7) + 9 + 4;  // 79: 15 batches of five, four sit out
  BatchOptions batch = options(Sampler::kFrames, 5);
  batch.frame_choice = FrameChoice::kAll;  // not looked at
  const auto plan = planner(batch);
  std::set<std::pair<int32_t, int32_t>> ever;
  for (int64_t epoch = 0; epoch < 40; ++epoch) {
    std::set<std::pair<int32_t, int32_t>> seen;
    for (int64_t step = 15 * epoch + 1; step <= 15 * epoch + 15; ++step) {
      for (const ClipRequest& clip : plan->batch(step)) {
        ASSERT_EQ(clip.frames.size(), 1u);
        ASSERT_GE(clip.frames[0], 0);
        ASSERT_LT(clip.frames[0], tracklet(clip).length);
        seen.insert({clip.tracklet, clip.frames[0]});
      }
    }
    EXPECT_EQ(seen.size(), 75u) << epoch;
    ever.insert(seen.begin(), seen.end());
  }
  EXPECT_EQ(ever.size(), static_cast<size_t>(frames));
}

TEST_F(SamplersTest, MoreFramesThanThereAreAreRefused) {
  EXPECT_EQ(planner(options(Sampler::kFrames, 79))->batch(1).size(), 79u);
  const std::string text =
      failure_text<InputError>([&] { planner(options(Sampler::kFrames, 80)); });
  EXPECT_TRUE(contains(text, "training.batch.size")) << text;
  EXPECT_TRUE(contains(text, "trains 79")) << text;
}

TEST_F(SamplersTest, EveryTrackletComesOnceAnEpoch) {
  const auto plan = planner(options(Sampler::kTracklets, 7));  // 14 in two batches
  std::set<std::vector<int32_t>> orders;
  for (int64_t epoch = 0; epoch < 10; ++epoch) {
    std::vector<int32_t> order;
    for (int64_t step = 2 * epoch + 1; step <= 2 * epoch + 2; ++step) {
      for (const ClipRequest& clip : plan->batch(step)) order.push_back(clip.tracklet);
    }
    EXPECT_EQ(std::set<int32_t>(order.begin(), order.end()).size(), 14u) << epoch;
    orders.insert(order);
  }
  EXPECT_EQ(orders.size(), 10u);
}

TEST_F(SamplersTest, MoreTrackletsThanThereAreIsAnInputError) {
  EXPECT_EQ(planner(options(Sampler::kTracklets, 14))->batch(1).size(), 14u);
  const std::string text =
      failure_text<InputError>([&] { planner(options(Sampler::kTracklets, 15)); });
  EXPECT_TRUE(contains(text, "training.batch.size")) << text;
}

TEST_F(SamplersTest, PairsAreNegativeAndPositiveInTurnOverAllSteps) {
  const auto plan = planner(options(Sampler::kPairs, 3));
  int64_t pair = 0;
  for (int64_t step = 1; step <= 40; ++step) {
    const std::vector<ClipRequest> clips = plan->batch(step);
    for (size_t i = 0; i < clips.size(); i += 2, ++pair) {
      const StoredTracklet &a = tracklet(clips[i]), &b = tracklet(clips[i + 1]);
      if (pair % 2 == 0) {
        EXPECT_NE(a.identity, b.identity) << pair;
      } else {
        EXPECT_EQ(a.identity, b.identity) << pair;
        EXPECT_LT(a.camera, b.camera) << pair;
      }
    }
  }
}

TEST_F(SamplersTest, PairsDoNotDependOnHowManyAStepHas) {
  const auto one = planner(options(Sampler::kPairs, 1)),
             four = planner(options(Sampler::kPairs, 4));
  std::vector<int32_t> separately, together;
  for (int64_t step = 1; step <= 40; ++step) {
    for (const ClipRequest& clip : one->batch(step)) separately.push_back(clip.tracklet);
  }
  for (int64_t step = 1; step <= 10; ++step) {
    for (const ClipRequest& clip : four->batch(step)) together.push_back(clip.tracklet);
  }
  EXPECT_EQ(together, separately);
}

TEST_F(SamplersTest, WhomTwoCamerasSawIsPositiveOnceAnEpochAndNobodyElse) {
  const auto plan = planner(options(Sampler::kPairs, 1));
  for (int64_t epoch = 0; epoch < 10; ++epoch) {
    std::multiset<int32_t> positives;
    for (int64_t i = 2; i <= 8; i += 2) {
      positives.insert(tracklet(plan->batch(8 * epoch + i)[0]).identity);
    }
    EXPECT_EQ(positives, (std::multiset<int32_t>{1, 2, 3, 4})) << epoch;
  }
}

// What can be drawn is drawn: cameras of positives, persons and cameras of negatives.
TEST_F(SamplersTest, PairsReachEveryCameraAndEveryPerson) {
  const auto plan = planner(options(Sampler::kPairs, 2));
  std::set<std::pair<int16_t, int16_t>> positive_cameras, negative_cameras;
  std::set<std::pair<int32_t, int32_t>> persons;
  for (int64_t step = 1; step <= 600; ++step) {
    const std::vector<ClipRequest> clips = plan->batch(step);
    negative_cameras.insert({tracklet(clips[0]).camera, tracklet(clips[1]).camera});
    persons.insert({tracklet(clips[0]).identity, tracklet(clips[1]).identity});
    positive_cameras.insert({tracklet(clips[2]).camera, tracklet(clips[3]).camera});
  }
  EXPECT_EQ(positive_cameras, (std::set<std::pair<int16_t, int16_t>>{{1, 2}, {1, 3}, {2, 3}}));
  EXPECT_EQ(negative_cameras.size(), 9u);
  EXPECT_EQ(persons.size(), 20u);
}

TEST_F(SamplersTest, TripletsAreTwoClipsOfAPersonAndOneOfAnother) {
  const auto plan = planner(options(Sampler::kTriplets, 2));
  std::set<std::vector<int16_t>> cameras;
  std::set<std::pair<int32_t, int32_t>> persons;
  for (int64_t step = 1; step <= 600; ++step) {
    const std::vector<ClipRequest> clips = plan->batch(step);
    for (size_t i = 0; i < clips.size(); i += 3) {
      const StoredTracklet &anchor = tracklet(clips[i]), &positive = tracklet(clips[i + 1]),
                           &negative = tracklet(clips[i + 2]);
      EXPECT_EQ(anchor.identity, positive.identity);
      EXPECT_NE(anchor.identity, negative.identity);
      persons.insert({anchor.identity, negative.identity});
      if (anchor.identity != 5 && negative.identity != 5) {
        cameras.insert({anchor.camera, positive.camera, negative.camera});
      }
    }
  }
  EXPECT_EQ(cameras.size(), 27u);  // independent of each other
  EXPECT_EQ(persons.size(), 20u);
}

TEST_F(SamplersTest, EveryoneIsAnchorOnceAnEpoch) {
  const auto plan = planner(options(Sampler::kTriplets, 5));
  for (int64_t step = 1; step <= 20; ++step) {
    std::set<int32_t> anchors;
    const std::vector<ClipRequest> clips = plan->batch(step);
    for (size_t i = 0; i < clips.size(); i += 3) anchors.insert(clips[i].label);
    EXPECT_EQ(anchors.size(), 5u) << step;
  }
}

TEST_F(SamplersTest, LeftOutTrackletsAndThoseWhoHaveNoOtherDoNotTrain) {
  BatchOptions batch = options(Sampler::kTracklets, 1);
  batch.frames = 6;  // identities 1 and 2 have 4 and 5
  batch.short_tracklet = ShortTracklet::kLeaveOut;
  const auto plan = planner(batch);
  EXPECT_EQ(plan->identity_count(), 3);
  for (int64_t step = 1; step <= 100; ++step) {
    for (const ClipRequest& clip : plan->batch(step)) {
      EXPECT_GE(tracklet(clip).length, 6);
      EXPECT_EQ(clip.label, tracklet(clip).identity - 3);
    }
  }
  batch.frames = 10;
  EXPECT_THROW(planner(batch), InputError);
}

TEST_F(SamplersTest, PairsAndTripletsNeedTwoPersons) {
  std::vector<int32_t> roles(own_->store->tracklets().size(), kRoleQuery);
  for (size_t i = 0; i < roles.size(); ++i) {
    if (own_->store->tracklets()[i].identity == 1) roles[i] = kRoleTrain;
  }
  for (const Sampler sampler : {Sampler::kPairs, Sampler::kTriplets}) {
    EXPECT_THROW(create_batch_planner(*own_->store, roles, ClipFormat{}, options(sampler)),
                 InputError);
  }
}

TEST_F(SamplersTest, PairsNeedSomeoneUnderTwoCameras) {
  std::vector<int32_t> roles(own_->store->tracklets().size(), kRoleQuery);
  for (size_t i = 0; i < roles.size(); ++i) {
    if (own_->store->tracklets()[i].camera == 2) roles[i] = kRoleTrain;
  }
  EXPECT_THROW(create_batch_planner(*own_->store, roles, ClipFormat{}, options(Sampler::kPairs)),
               InputError);
  EXPECT_NO_THROW(
      create_batch_planner(*own_->store, roles, ClipFormat{}, options(Sampler::kTriplets)));
}

TEST_F(SamplersTest, ClipsOfDifferentLengthCannotShareABatch) {
  BatchOptions batch = options(Sampler::kTracklets);
  batch.frame_choice = FrameChoice::kAll;
  EXPECT_THROW(planner(batch), InputError);
  batch.frame_choice = FrameChoice::kConsecutive;
  batch.short_tracklet = ShortTracklet::kShorterClip;
  EXPECT_THROW(planner(batch), InputError);
  batch = options(Sampler::kPairs, 1);
  batch.frame_choice = FrameChoice::kAll;
  const std::string text = failure_text<InputError>([&] { planner(batch); });
  EXPECT_EQ(text.rfind("training.batch.frame_choice: the 2 clips of a batch would", 0), 0u) << text;
}

TEST_F(SamplersTest, WholeTrackletsMakeBatchesOfOneClip) {
  BatchOptions batch = options(Sampler::kTracklets, 1);
  batch.frame_choice = FrameChoice::kAll;
  batch.short_tracklet = ShortTracklet::kLeaveOut;  // nothing is too short for this
  const auto plan = planner(batch);
  std::multiset<size_t> lengths, expected;
  for (const StoredTracklet& one : own_->store->tracklets()) {
    expected.insert(static_cast<size_t>(one.length));
  }
  for (int64_t step = 1; step <= static_cast<int64_t>(own_->store->tracklets().size()); ++step) {
    const std::vector<ClipRequest> clips = plan->batch(step);
    ASSERT_EQ(clips.size(), 1u);
    std::vector<int32_t> whole(static_cast<size_t>(tracklet(clips[0]).length));
    std::iota(whole.begin(), whole.end(), 0);
    EXPECT_EQ(clips[0].frames, whole);
    lengths.insert(whole.size());
  }
  EXPECT_EQ(lengths, expected);
}

TEST_F(SamplersTest, FramesFollowTheChoice) {
  BatchOptions batch = options(Sampler::kTracklets);
  batch.frame_choice = FrameChoice::kLast;
  batch.frames = 2;
  for (const ClipRequest& clip : planner(batch)->batch(3)) {
    const int32_t length = tracklet(clip).length;
    EXPECT_EQ(clip.frames, (std::vector<int32_t>{length - 2, length - 1}));
  }
}

TEST_F(SamplersTest, BoxesAreThoseOfTheFramesInEveryStepAndEnterTheHash) {
  BatchOptions with = options(Sampler::kTracklets, 14);
  with.occlusion.size = 5;
  BatchOptions without = with;
  without.occlusion.size = 0;
  EXPECT_NE(batch_hash(planner(with)->batch(1)), batch_hash(planner(without)->batch(1)));
  std::map<std::pair<int32_t, int32_t>, std::pair<int32_t, int32_t>> place_of_frame;
  for (int64_t step = 1; step <= 20; ++step) {
    for (const ClipRequest& clip : planner(with)->batch(step)) {
      ASSERT_EQ(clip.transform.boxes.size(), clip.frames.size());
      for (size_t i = 0; i < clip.frames.size(); ++i) {
        const PixelBox& box = clip.transform.boxes[i];
        const std::pair<int32_t, int32_t> place = {box.y, box.x};
        const auto known = place_of_frame.insert({{clip.tracklet, clip.frames[i]}, place});
        EXPECT_EQ(known.first->second, place);
      }
    }
  }
  EXPECT_TRUE(planner(without)->batch(1)[0].transform.boxes.empty());
}

}  // namespace
}  // namespace muster::datastore
