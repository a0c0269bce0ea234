#include "datastore/two_camera_roles.h"

#include <gtest/gtest.h>

#include "tests/datastore/protocol_support.h"

namespace muster::datastore {
namespace {
using common::contains;

using Persons = std::set<int32_t>;

// Six persons with 27 frames in both cameras. Then, with the shorter of their two sequences:
// 7: 26 (camera 1), 8: 26 (camera 2), 9: 21, 10: 20, 11: 1. Strangers from 201 on, each in one
// camera; 12 is in camera 1 only, though twice.
FakeDataset prid_like() {
  FakeDataset dataset = two_camera_dataset(6, 27);
  const std::vector<std::array<int64_t, 3>> lengths = {
      {7, 26, 40}, {8, 30, 26}, {9, 21, 27}, {10, 27, 20}, {11, 1, 1}};
  for (const auto& [person, first, second] : lengths) {
    dataset.add(static_cast<int32_t>(person), 1, first);
    dataset.add(static_cast<int32_t>(person), 2, second);
  }
  dataset.add(12, 1, 30);
  dataset.add(12, 1, 31, 1);
  dataset.add(201, 1, 30);
  dataset.add(10201, 2, 30);
  return dataset;
}

// Persons 201 and 202 are in both cameras: no PRID-2011 has that, but its first 200 are a rule.
FakeDataset beyond_two_hundred() {
  FakeDataset dataset = two_camera_dataset(4, 1);
  for (const int32_t person : {200, 201, 202}) {
    dataset.add(person, 1, 1);
    dataset.add(person, 2, 1);
  }
  dataset.add(199, 1, 1);
  return dataset;
}

class PridProtocolTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { prid_ = std::make_unique<ProtocolStore>(prid_like()); }
  static void TearDownTestSuite() { prid_.reset(); }
  static void expect_halves(const std::string& protocol, const Persons& persons, size_t train,
                            size_t test) {
    for (int split = 0; split < 10; ++split) {
      const Sides sides = prid_->sides(protocol, split);
      EXPECT_EQ(sides.train.size(), train) << protocol;
      EXPECT_EQ(sides.query.size(), test) << protocol;
      EXPECT_EQ(sides.query, sides.gallery) << protocol;
      EXPECT_EQ(both(sides.train, sides.query), persons) << protocol;
    }
  }
  static std::unique_ptr<ProtocolStore> prid_;
};
std::unique_ptr<ProtocolStore> PridProtocolTest::prid_;

TEST_F(PridProtocolTest, TheDefaultTakesPersonsOfTwentySevenFramesInBothCameras) {
  expect_halves("prid2011", numbers(1, 6), 3, 3);
}

// Nine: the odd person trains.
TEST_F(PridProtocolTest, TwentyOneFramesAreEnoughWhereTheNameSaysSo) {
  expect_halves("prid2011-21-frames", numbers(1, 9), 5, 4);
}

// Eleven: the odd person tests.
TEST_F(PridProtocolTest, AllTwoHundredHasNoShortestLength) {
  expect_halves("prid2011-all-200", numbers(1, 11), 5, 6);
}

TEST_F(PridProtocolTest, AllTwoHundredEndsAtPersonTwoHundred) {
  const ProtocolStore store(beyond_two_hundred());
  const Sides sides = store.sides("prid2011-all-200");
  EXPECT_EQ(both(sides.train, sides.query), (Persons{1, 2, 3, 4, 200}));
}

TEST_F(PridProtocolTest, AShortTrackletOfALongPersonHasNoRole) {
  FakeDataset dataset = two_camera_dataset(2, 27);
  dataset.add(1, 1, 26, 1);
  dataset.add(2, 1, 26, 1);
  const ProtocolStore store(dataset);
  const std::vector<int32_t> roles = store.roles("prid2011");
  for (size_t row = 0; row < roles.size(); ++row) {
    EXPECT_EQ(roles[row] == kRoleNone, store.store->tracklets()[row].length == 26) << row;
  }
}

TEST_F(PridProtocolTest, TheSameSeedAndSplitGiveTheSameHalvesAndOthersGiveOthers) {
  for (const char* name : {"prid2011", "prid2011-21-frames", "prid2011-all-200"}) {
    EXPECT_EQ(prid_->roles(name, 3, 7), prid_->roles(name, 3, 7)) << name;
    std::set<std::vector<int32_t>> seen;
    for (int split = 0; split < 10; ++split) seen.insert(prid_->roles(name, split));
    EXPECT_GT(seen.size(), 4u) << name;
    EXPECT_NE(prid_->roles(name, 0, 1), prid_->roles(name, 0, 3)) << name;
  }
}

TEST_F(PridProtocolTest, TheOrderOfTrackletsDoesNotCount) {
  for (const char* name : {"prid2011", "prid2011-21-frames", "prid2011-all-200", "sdu-vid"}) {
    expect_independent_of_order(prid_like(), name);
  }
}

TEST_F(PridProtocolTest, AStoreOfShortSequencesIsRefusedWithTheLength) {
  const ProtocolStore store(two_camera_dataset(4, 20));
  EXPECT_TRUE(contains(store.refusal("prid2011"), "27"));
  EXPECT_TRUE(contains(store.refusal("prid2011-21-frames"), "21"));
  EXPECT_EQ(store.sides("prid2011-all-200").train.size(), 2u);
}

TEST_F(PridProtocolTest, HalvesOfItsOwnComeFirst) {
  FakeDataset dataset = prid_like();
  dataset.split({{1, 9}, {2, 3}}, {1, 2, 3, 9});
  const ProtocolStore store(dataset);
  const Sides first = store.sides("prid2011", 0), second = store.sides("prid2011", 1);
  EXPECT_EQ(first.query, (Persons{1, 9}));
  EXPECT_EQ(first.gallery, (Persons{1, 9}));
  EXPECT_EQ(first.train, (Persons{2, 3}));
  EXPECT_EQ(second.query, (Persons{2, 3}));
  EXPECT_EQ(second.train, (Persons{1, 9}));
  EXPECT_EQ(store.roles("prid2011", 0, 1), store.roles("prid2011", 0, 2));
}

TEST_F(PridProtocolTest, NamedVariantsKeepTheirOwnHalves) {
  FakeDataset dataset = prid_like();
  dataset.split({{1, 9}}, {1, 2, 3, 9});
  const ProtocolStore with(dataset);
  for (const char* name : {"prid2011-21-frames", "prid2011-all-200", "random-half"}) {
    EXPECT_EQ(with.roles(name), prid_->roles(name)) << name;
  }
}

// Person 4 is not among those to be split, 5 is in camera 1 only.
FakeDataset with_own_halves() {
  FakeDataset dataset = two_camera_dataset(4, 1);
  dataset.add(5, 1, 1);
  dataset.split({{1}, {2, 3}}, {1, 2, 3});
  return dataset;
}

TEST(OfficialHalfTest, TheListedTestAndTheOthersTrain) {
  const ProtocolStore store(with_own_halves());
  for (const char* name : {"official-half", "ilids-vid", "prid2011"}) {
    const Sides first = store.sides(name, 0), second = store.sides(name, 1);
    EXPECT_EQ(first.query, (Persons{1})) << name;
    EXPECT_EQ(first.train, (Persons{2, 3})) << name;
    EXPECT_EQ(second.query, (Persons{2, 3})) << name;
    EXPECT_EQ(second.train, (Persons{1})) << name;
  }
}

TEST(OfficialHalfTest, CameraOneQueriesAndCameraTwoIsTheGallery) {
  const ProtocolStore store(with_own_halves());
  const std::vector<int32_t> roles = store.roles("official-half", 1);
  for (size_t row = 0; row < roles.size(); ++row) {
    const StoredTracklet& tracklet = store.store->tracklets()[row];
    if (tracklet.identity != 2 && tracklet.identity != 3) continue;
    EXPECT_EQ(roles[row], tracklet.camera == 1 ? kRoleQuery : kRoleGallery);
  }
}

TEST(OfficialHalfTest, TheOrderOfTrackletsDoesNotCount) {
  FakeDataset dataset = with_own_halves();
  dataset.split({{1}, {2}, {3}}, {1, 2, 3});
  expect_independent_of_order(dataset, "official-half");
}

TEST(OfficialHalfTest, AStoreWithoutHalvesIsRefusedUnlessTheNameAllowsSeededOnes) {
  const ProtocolStore store(two_camera_dataset(4, 1));
  EXPECT_TRUE(contains(store.refusal("official-half"), "no splits"));
  EXPECT_EQ(store.roles("ilids-vid", 2, 3), store.roles("random-half", 2, 3));
}

TEST(OfficialHalfTest, ASplitThatTheDatasetDoesNotHaveIsRefused) {
  const ProtocolStore store(with_own_halves());
  for (const char* name : {"official-half", "ilids-vid", "prid2011"}) {
    const std::string text = store.refusal(name, 2);
    EXPECT_TRUE(contains(text, "2 splits")) << text;
  }
}

TEST(OfficialHalfTest, PersonsWhomTheStoreDoesNotHaveAreTold) {
  FakeDataset dataset = with_own_halves();
  dataset.split({{1}}, {1, 2, 5, 77});
  const std::string text = ProtocolStore(dataset).refusal("official-half");
  EXPECT_TRUE(contains(text, "5, 77")) << text;
}

TEST(OfficialHalfTest, TestingSomebodyOutsideTheSplitIsRefused) {
  FakeDataset dataset = with_own_halves();
  dataset.split({{1}, {1, 4}}, {1, 2, 3});
  const std::string text =
      common::failure_text<common::InputError>([&] { ProtocolStore{dataset}; });
  EXPECT_TRUE(contains(text, "test_identities[1] is [1,4]")) << text;
}

TEST(SduVidProtocolTest, HalvesAreSeededEvenWhereTheStoreHasItsOwn) {
  FakeDataset dataset = two_camera_dataset(10, 1);
  dataset.split({{1}}, {1, 2});
  const ProtocolStore store(dataset);
  const Sides sides = store.sides("sdu-vid");
  EXPECT_EQ(sides.train.size(), 5u);
  EXPECT_EQ(sides.query.size(), 5u);
  EXPECT_EQ(both(sides.train, sides.query), numbers(1, 10));
}

}  // namespace
}  // namespace muster::datastore
