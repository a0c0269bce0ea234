// What tests of protocols share.
#pragma once

#include "datastore/protocol.h"
#include "tests/datastore/small_store.h"

namespace muster::datastore {

// Identities by what they are for.
struct Sides {
  std::set<int32_t> train, query, gallery;
};

inline Sides sides_of(const TrackletStore& store, const std::vector<int32_t>& roles) {
  Sides sides;
  EXPECT_EQ(roles.size(), store.tracklets().size());
  for (size_t row = 0; row < roles.size(); ++row) {
    const int32_t identity = store.tracklets()[row].identity;
    if ((roles[row] & kRoleTrain) != 0) sides.train.insert(identity);
    if ((roles[row] & kRoleQuery) != 0) sides.query.insert(identity);
    if ((roles[row] & kRoleGallery) != 0) sides.gallery.insert(identity);
  }
  return sides;
}

inline std::set<int32_t> both(std::set<int32_t> one, const std::set<int32_t>& other) {
  one.insert(other.begin(), other.end());
  return one;
}

// {first, ..., last}
inline std::set<int32_t> numbers(int32_t first, int32_t last) {
  std::set<int32_t> found;
  for (int32_t number = first; number <= last; ++number) found.insert(number);
  return found;
}

// A store and the roles that protocols give its tracklets.
struct ProtocolStore : OwnStore {
  using OwnStore::OwnStore;
  std::vector<int32_t> roles(const std::string& protocol, int split = 0, uint64_t seed = 1) const {
    return assign_roles(*store, {protocol, split, seed});
  }
  Sides sides(const std::string& protocol, int split = 0, uint64_t seed = 1) const {
    return sides_of(*store, roles(protocol, split, seed));
  }
  // Of an InputError, which has to name the store.
  std::string refusal(const std::string& protocol, int split = 0) const {
    std::string text = common::failure_text<common::InputError>([&] { roles(protocol, split); });
    EXPECT_TRUE(common::contains(text, store->directory().string())) << text;
    return text;
  }
};

// The same tracklets the other way round.
inline FakeDataset reversed(const FakeDataset& dataset) {
  FakeDataset result;
  result.split(dataset.facts().test_identities, dataset.facts().split_identities);
  const auto& tracklets = dataset.tracklets();
  for (auto tracklet = tracklets.rbegin(); tracklet != tracklets.rend(); ++tracklet) {
    result.add(tracklet->identity, tracklet->camera, tracklet->frames, tracklet->sequence,
               tracklet->role);
  }
  return result;
}

// Roles do not depend on the order of the store's tracklets.
inline void expect_independent_of_order(const FakeDataset& dataset, const std::string& protocol) {
  const ProtocolStore forward(dataset), backward(reversed(dataset));
  for (int split = 0; split < 3; ++split) {
    std::vector<int32_t> turned = backward.roles(protocol, split);
    std::reverse(turned.begin(), turned.end());
    EXPECT_EQ(forward.roles(protocol, split), turned) << protocol << " " << split;
  }
}

}  // namespace muster::datastore
