#include "datastore/mars_roles.h"

#include <gtest/gtest.h>

#include "tests/datastore/protocol_support.h"

namespace muster::datastore {
namespace {
using common::contains;

// A MARS in small. Train: persons 1 and 3 under three cameras, two tracklets each; 5 under camera 1
// only. Test: persons 2 and 4 under cameras 1 to 3, two tracklets each, the first of which queries;
// 6 under camera 2 only. Two distractors, two pieces of junk.
FakeDataset mars_like() {
  FakeDataset dataset;
  for (const int32_t person : {1, 2, 3, 4}) {
    const bool trains = person % 2 == 1;
    for (int16_t camera = 1; camera <= 3; ++camera) {
      dataset.add(person, camera, 2, 1, trains ? kRoleTrain : kRoleQuery);
      dataset.add(person, camera, 3, 2, trains ? kRoleTrain : kRoleGallery);
    }
  }
  dataset.add(5, 1, 1, 1, kRoleTrain);
  dataset.add(6, 2, 1, 1, kRoleGallery);
  dataset.add(0, 1, 1, 1, kRoleDistractor);
  dataset.add(0, 2, 1, 1, kRoleDistractor);
  dataset.add(-1, 1, 1, 1, kRoleJunk);
  dataset.add(-1, 3, 1, 1, kRoleJunk);
  return dataset;
}

class MarsProtocolTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { mars_ = std::make_unique<ProtocolStore>(mars_like()); }
  static void TearDownTestSuite() { mars_.reset(); }
  static int64_t count(const std::vector<int32_t>& roles, int32_t bit) {
    return std::count_if(roles.begin(), roles.end(), [&](int32_t r) { return (r & bit) != 0; });
  }
  static const StoredTracklet& tracklet(size_t row) { return mars_->store->tracklets()[row]; }
  static std::unique_ptr<ProtocolStore> mars_;
};
std::unique_ptr<ProtocolStore> MarsProtocolTest::mars_;

TEST_F(MarsProtocolTest, OfficiallyEveryTestTrackletIsGalleryAndQueriesToo) {
  const std::vector<int32_t> roles = mars_->roles("mars");
  EXPECT_EQ(count(roles, kRoleTrain), 13);
  EXPECT_EQ(count(roles, kRoleQuery), 6);
  EXPECT_EQ(count(roles, kRoleGallery), 17);
  EXPECT_EQ(count(roles, kRoleDistractor), 2);
  EXPECT_EQ(count(roles, kRoleJunk), 2);
  for (size_t row = 0; row < roles.size(); ++row) {
    if ((tracklet(row).role & kRoleQuery) != 0) {
      EXPECT_EQ(roles[row], kRoleQuery | kRoleGallery);
    }
  }
}

TEST_F(MarsProtocolTest, TorchreidTakesQueriesAndJunkOutOfTheGallery) {
  const std::vector<int32_t> roles = mars_->roles("mars-torchreid");
  EXPECT_EQ(count(roles, kRoleTrain), 13);
  EXPECT_EQ(count(roles, kRoleQuery), 6);
  EXPECT_EQ(count(roles, kRoleGallery), 17 - 6 - 2);
  EXPECT_EQ(count(roles, kRoleDistractor), 2);
  EXPECT_EQ(count(roles, kRoleJunk), 0);
  for (const int32_t role : roles) EXPECT_NE(role, kRoleQuery | kRoleGallery);
}

TEST_F(MarsProtocolTest, TheFixedSplitHasNoChance) {
  for (const char* name : {"mars", "mars-torchreid"}) {
    EXPECT_EQ(mars_->roles(name, 0, 1), mars_->roles(name, 5, 9)) << name;
    expect_independent_of_order(mars_like(), name);
    const Sides sides = mars_->sides(name);
    EXPECT_EQ(sides.train, (std::set<int32_t>{1, 3, 5}));
    EXPECT_EQ(sides.query, (std::set<int32_t>{2, 4}));
  }
}

// However a reader marks them: the numbers of nobody decide.
TEST_F(MarsProtocolTest, IdentityZeroIsADistractorAndMinusOneJunkWhateverTheirRole) {
  FakeDataset dataset = mars_like();
  dataset.add(0, 3, 1, 7, kRoleGallery);
  dataset.add(-1, 2, 1, 7, kRoleGallery);
  const ProtocolStore store(dataset);
  const std::vector<int32_t> roles = store.roles("mars");
  EXPECT_EQ(roles[roles.size() - 2], kRoleGallery | kRoleDistractor);
  EXPECT_EQ(roles[roles.size() - 1], kRoleGallery | kRoleJunk);
}

TEST_F(MarsProtocolTest, QueriesMayBeMarkedAsGalleryAlready) {
  FakeDataset dataset = mars_like();
  dataset.add(2, 4, 1, 1, kRoleQuery | kRoleGallery);
  const ProtocolStore store(dataset);
  EXPECT_EQ(store.roles("mars").back(), kRoleQuery | kRoleGallery);
  EXPECT_EQ(store.roles("mars-torchreid").back(), kRoleQuery);
}

TEST_F(MarsProtocolTest, AStoreWithoutRolesIsRefused) {
  const ProtocolStore store(two_camera_dataset(4, 1));
  for (const char* name : {"mars", "mars-torchreid"}) {
    EXPECT_TRUE(contains(store.refusal(name), "no split of its own")) << name;
  }
}

TEST_F(MarsProtocolTest, SomebodyWhoTrainsAndTestsIsRefused) {
  FakeDataset dataset = mars_like();
  dataset.add(1, 5, 1, 1, kRoleGallery);
  EXPECT_TRUE(contains(ProtocolStore(dataset).refusal("mars"), "identity 1 both"));
}

TEST_F(MarsProtocolTest, AQueryOfNobodyIsRefused) {
  for (const int32_t nobody : {0, -1}) {
    FakeDataset dataset = mars_like();
    dataset.add(nobody, 2, 1, 9, kRoleQuery);
    EXPECT_TRUE(contains(ProtocolStore(dataset).refusal("mars"), "query of nobody"));
  }
}

TEST_F(MarsProtocolTest, TwoCamerasTakeOneTrackletOfEachOfTwoCamerasPerPerson) {
  for (int split = 0; split < 10; ++split) {
    const std::vector<int32_t> roles = mars_->roles("mars-two-camera", split);
    std::map<int32_t, std::vector<size_t>> rows;
    for (size_t row = 0; row < roles.size(); ++row) {
      if (roles[row] != kRoleNone) rows[tracklet(row).identity].push_back(row);
    }
    EXPECT_EQ(rows.size(), 4u);  // 1 to 4, whichever side of the fixed split they are on
    for (const auto& [person, chosen] : rows) {
      ASSERT_EQ(chosen.size(), 2u) << person;
      EXPECT_GE(person, 1);
      EXPECT_LE(person, 4);
      EXPECT_NE(tracklet(chosen[0]).camera, tracklet(chosen[1]).camera) << person;
      const int32_t both_roles = roles[chosen[0]] | roles[chosen[1]];
      EXPECT_TRUE(both_roles == kRoleTrain || both_roles == (kRoleQuery | kRoleGallery)) << person;
    }
    EXPECT_EQ(count(roles, kRoleTrain), 4);
    EXPECT_EQ(count(roles, kRoleQuery), 2);
    EXPECT_EQ(count(roles, kRoleGallery), 2);
  }
}

TEST_F(MarsProtocolTest, TwoCamerasAreDrawnAnewPerSplitAndSeedAndAreRepeatable) {
  std::set<std::vector<int32_t>> seen;
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    for (int split = 0; split < 10; ++split) {
      seen.insert(mars_->roles("mars-two-camera", split, seed));
      EXPECT_EQ(mars_->roles("mars-two-camera", split, seed),
                mars_->roles("mars-two-camera", split, seed));
    }
  }
  EXPECT_EQ(seen.size(), 20u);
  expect_independent_of_order(mars_like(), "mars-two-camera");
}

// Over enough draws every tracklet of persons 1 to 4 trains, queries and is gallery.
TEST_F(MarsProtocolTest, TwoCamerasReachEveryTrackletInEveryRole) {
  std::map<std::pair<size_t, int32_t>, int> times;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    for (int split = 0; split < 10; ++split) {
      const std::vector<int32_t> roles = mars_->roles("mars-two-camera", split, seed);
      for (size_t row = 0; row < roles.size(); ++row) ++times[{row, roles[row]}];
    }
  }
  for (size_t row = 0; row < mars_->store->tracklets().size(); ++row) {
    const int32_t person = tracklet(row).identity;
    for (const int32_t role : {kRoleTrain, kRoleQuery, kRoleGallery}) {
      EXPECT_EQ((times[{row, role}] > 0), person >= 1 && person <= 4) << row << " " << role;
    }
  }
}

// Who trains changes with the number of persons, but not which tracklets stand for a person.
TEST_F(MarsProtocolTest, APersonsTrackletsAreDrawnWhoeverElseIsThere) {
  FakeDataset dataset = mars_like();
  for (int16_t camera = 1; camera <= 2; ++camera) dataset.add(7, camera, 1, 1, kRoleTrain);
  dataset.add(2, 4, 1, 1, kRoleGallery);
  const ProtocolStore more(dataset);
  for (int split = 0; split < 10; ++split) {
    const std::vector<int32_t> before = mars_->roles("mars-two-camera", split);
    const std::vector<int32_t> after = more.roles("mars-two-camera", split);
    for (size_t row = 0; row < before.size(); ++row) {
      if (tracklet(row).identity == 2) continue;
      EXPECT_EQ(before[row] == kRoleNone, after[row] == kRoleNone) << split << " " << row;
    }
  }
}

TEST_F(MarsProtocolTest, TwoCamerasAreMissedByName) {
  FakeDataset dataset;
  dataset.add(1, 1, 1);
  dataset.add(2, 3, 1);
  dataset.add(0, 1, 1);
  dataset.add(0, 2, 1);
  EXPECT_TRUE(contains(ProtocolStore(dataset).refusal("mars-two-camera"), "two cameras"));
}

}  // namespace
}  // namespace muster::datastore
