#include "datastore/protocol.h"

#include <gtest/gtest.h>

#include "tests/datastore/protocol_support.h"

namespace muster::datastore {
namespace {
using common::contains;
using common::failure_text;
using common::InputError;
using common::TestDirectory;

// Identities 1 to 20 under cameras 1 and 2; 21 only under 1, 22 only under 2; distractors (0) and
// junk (-1) under both; identity 1 also under camera 3.
FakeDataset dataset_with_strangers() {
  FakeDataset dataset = two_camera_dataset(20, 1);
  dataset.add(21, 1, 1);
  dataset.add(22, 2, 1);
  for (const int32_t nobody : {0, -1}) {
    dataset.add(nobody, 1, 1);
    dataset.add(nobody, 2, 1);
  }
  dataset.add(1, 3, 1);
  return dataset;
}

class ProtocolTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { own_ = std::make_unique<ProtocolStore>(dataset_with_strangers()); }
  static void TearDownTestSuite() { own_.reset(); }
  static const TrackletStore& store() { return *own_->store; }
  static std::vector<int32_t> roles(const std::string& name, int split, uint64_t seed = 1) {
    return own_->roles(name, split, seed);
  }
  // Identities that have one of the roles in `mask`.
  static std::set<int32_t> identities(const std::vector<int32_t>& roles, int32_t mask) {
    std::set<int32_t> found;
    for (size_t i = 0; i < roles.size(); ++i) {
      if ((roles[i] & mask) != 0) found.insert(store().tracklets()[i].identity);
    }
    return found;
  }
  static std::unique_ptr<ProtocolStore> own_;
};
std::unique_ptr<ProtocolStore> ProtocolTest::own_;

constexpr int32_t kTest = kRoleQuery | kRoleGallery;

TEST_F(ProtocolTest, RandomHalvesAreDisjoint) {
  for (int split = 0; split < 10; ++split) {
    const std::vector<int32_t> assigned = roles("random-half", split);
    const std::set<int32_t> train = identities(assigned, kRoleTrain);
    for (const int32_t identity : identities(assigned, kTest)) {
      EXPECT_EQ(train.count(identity), 0u) << identity;
    }
  }
}

TEST_F(ProtocolTest, RandomHalvesAreEqualAndTogetherComplete) {
  for (int split = 0; split < 10; ++split) {
    const std::vector<int32_t> assigned = roles("random-half", split);
    EXPECT_EQ(identities(assigned, kRoleTrain).size(), 10u);
    EXPECT_EQ(identities(assigned, kTest).size(), 10u);
    EXPECT_EQ(identities(assigned, kRoleTrain | kTest).size(), 20u);
  }
}

TEST_F(ProtocolTest, EveryTrackletOfATrainingIdentityTrains) {
  const std::vector<int32_t> assigned = roles("random-half", 0);
  const std::set<int32_t> train = identities(assigned, kRoleTrain);
  for (size_t i = 0; i < assigned.size(); ++i) {
    if (train.count(store().tracklets()[i].identity) > 0) {
      EXPECT_EQ(assigned[i], kRoleTrain);
    }
  }
}

TEST_F(ProtocolTest, CameraOneQueriesAndTheOthersAreTheGallery) {
  const std::vector<int32_t> assigned = roles("all-test", 0);
  for (size_t i = 0; i < assigned.size(); ++i) {
    const StoredTracklet& tracklet = store().tracklets()[i];
    if (tracklet.identity < 1 || tracklet.identity > 20) continue;
    const int32_t expected = tracklet.camera == 1 ? kRoleQuery : kRoleGallery;
    EXPECT_EQ(assigned[i], expected) << tracklet.identity << " " << tracklet.camera;
  }
}

TEST(AllTestProtocolTest, TheFirstCameraOfEachPersonQueries) {
  const common::TestDirectory directory;
  FakeDataset dataset;
  dataset.add(1, 3, 2);
  dataset.add(1, 5, 2);
  dataset.add(2, 5, 2);
  dataset.add(2, 7, 2);
  dataset.add(3, 5, 2);
  build_store(dataset, directory / "store");
  ProtocolOptions options;
  options.name = "all-test";
  EXPECT_EQ(assign_roles(TrackletStore(directory / "store"), options),
            (std::vector<int32_t>{kRoleQuery, kRoleGallery, kRoleQuery, kRoleGallery, kRoleNone}));
}

TEST_F(ProtocolTest, IdentitiesOfOneCameraTakeNoPart) {
  for (const char* name : {"random-half", "all-test"}) {
    const std::set<int32_t> part = identities(roles(name, 0), ~0);
    EXPECT_EQ(part.count(21), 0u) << name;
    EXPECT_EQ(part.count(22), 0u) << name;
  }
}

TEST_F(ProtocolTest, DistractorsAndJunkTakeNoPart) {
  for (const char* name : {"random-half", "all-test"}) {
    const std::set<int32_t> part = identities(roles(name, 0), ~0);
    EXPECT_EQ(part.count(0), 0u) << name;
    EXPECT_EQ(part.count(-1), 0u) << name;
  }
}

TEST_F(ProtocolTest, AllTestTrainsNobody) {
  const std::vector<int32_t> assigned = roles("all-test", 0);
  EXPECT_TRUE(identities(assigned, kRoleTrain).empty());
  EXPECT_EQ(identities(assigned, kRoleQuery).size(), 20u);
  EXPECT_EQ(identities(assigned, kRoleGallery).size(), 20u);
}

TEST_F(ProtocolTest, TheSameSeedAndSplitGiveTheSameHalves) {
  EXPECT_EQ(roles("random-half", 3, 7), roles("random-half", 3, 7));
}

TEST_F(ProtocolTest, AllSplitsDiffer) {
  std::set<std::vector<int32_t>> seen;
  for (int split = 0; split < 10; ++split) seen.insert(roles("random-half", split));
  EXPECT_EQ(seen.size(), 10u);
}

TEST_F(ProtocolTest, AnotherSeedGivesOtherHalves) {
  EXPECT_NE(roles("random-half", 0, 1), roles("random-half", 0, 2));
}

TEST_F(ProtocolTest, EveryIdentityTrainsInSomeHalfAndTestsInAnother) {
  std::set<int32_t> trained, tested;
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    for (int split = 0; split < 10; ++split) {
      const std::vector<int32_t> assigned = roles("random-half", split, seed);
      trained.merge(identities(assigned, kRoleTrain));
      tested.merge(identities(assigned, kTest));
    }
  }
  EXPECT_EQ(trained.size(), 20u);
  EXPECT_EQ(tested.size(), 20u);
}

TEST_F(ProtocolTest, OneErrorListsEveryNameOfTheCatalogue) {
  const std::string text = failure_text<InputError>([] { find_protocol(""); });
  for (const std::string& name : protocol_names()) EXPECT_TRUE(contains(text, name)) << text;
}

TEST_F(ProtocolTest, AnUnknownNameListsTheKnownOnes) {
  const std::string text = failure_text<InputError>([] { roles("random-third", 0); });
  EXPECT_TRUE(contains(text, "random-third")) << text;
  EXPECT_TRUE(contains(text, "random-half")) << text;
  EXPECT_TRUE(contains(text, "all-test")) << text;
}

TEST_F(ProtocolTest, SplitsOutsideZeroToNineAreRefused) {
  EXPECT_THROW(roles("random-half", -1), InputError);
  EXPECT_THROW(roles("random-half", 10), InputError);
}

TEST(ProtocolStoreTest, TheHalvesDoNotDependOnTheOrderOfTracklets) {
  const TestDirectory directory;
  const FakeDataset forward = two_camera_dataset(6, 1);
  FakeDataset backward;
  for (auto tracklet = forward.tracklets().rbegin(); tracklet != forward.tracklets().rend();
       ++tracklet) {
    backward.add(tracklet->identity, tracklet->camera, 1);
  }
  build_store(forward, directory / "forward", without_flow());
  build_store(backward, directory / "backward", without_flow());
  const TrackletStore one(directory / "forward"), other(directory / "backward");
  std::vector<int32_t> reversed = assign_roles(other, {"random-half", 0, 1});
  std::reverse(reversed.begin(), reversed.end());
  EXPECT_EQ(assign_roles(one, {"random-half", 0, 1}), reversed);
}

TEST(ProtocolStoreTest, AStoreOfOneCameraIsRefusedByName) {
  const TestDirectory directory;
  FakeDataset dataset;
  dataset.add(1, 1, 1);
  dataset.add(2, 1, 1);
  build_store(dataset, directory / "store", without_flow());
  const TrackletStore store(directory / "store");
  const std::string text = failure_text<InputError>([&] {
    assign_roles(store, {"random-half", 0, 1});
  });
  EXPECT_TRUE(contains(text, (directory / "store").string())) << text;
}

TEST(ProtocolCatalogTest, NamesAreUnique) {
  const std::vector<std::string> names = protocol_names();
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
}

TEST(ProtocolCatalogTest, OnlyOfficialMarsAsksForTheTrapezoid) {
  for (const Protocol& protocol : protocol_catalog()) {
    EXPECT_EQ(protocol.rules.average_precision == AveragePrecision::kTrapezoid,
              protocol.name == "mars")
        << protocol.name;
  }
}

TEST(ProtocolCatalogTest, FeaturesOfOfficialMarsServeTorchreidsReadingToo) {
  EXPECT_EQ(find_protocol("mars-torchreid").scores_features_of, "mars");
  EXPECT_EQ(find_protocol("mars").scores_features_of, "");
}

TEST(DefaultProtocolTest, EveryLayoutHasItsOwn) {
  for (const char* layout : {"prid2011", "ilids-vid", "sdu-vid", "mars"}) {
    EXPECT_EQ(default_protocol(layout), layout);
  }
  EXPECT_EQ(default_protocol("video"), "all-test");
  EXPECT_EQ(default_protocol("mot"), "all-test");
  EXPECT_EQ(default_protocol("another"), "random-half");
}

TEST(DefaultProtocolTest, WithoutANameTheLayoutsOwnIsUsed) {
  const TestDirectory directory;
  FakeDataset dataset = two_camera_dataset(4, 1);
  dataset.split({{1, 2}}, {1, 2, 3, 4});
  dataset.call_layout("ilids-vid");
  build_store(dataset, directory / "store", without_flow());
  const TrackletStore store(directory / "store");
  EXPECT_EQ(sides_of(store, assign_roles(store, {"", 0, 1})).query, (std::set<int32_t>{1, 2}));
}

}  // namespace
}  // namespace muster::datastore
