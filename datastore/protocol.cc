#include "datastore/protocol.h"

#include <algorithm>
#include <map>
#include <set>

#include "common/error.h"
#include "common/keyed_random.h"

namespace muster::datastore {
namespace {

constexpr int kSplits = 10;

// Identities that have tracklets under camera 1 and camera 2, ascending.
std::vector<int32_t> two_camera_identities(const TrackletStore& store) {
  std::map<int32_t, std::set<int16_t>> cameras;
  for (const StoredTracklet& tracklet : store.tracklets()) {
    if (tracklet.identity > 0) cameras[tracklet.identity].insert(tracklet.camera);
  }
  std::vector<int32_t> identities;
  for (const auto& [identity, seen] : cameras) {
    if (seen.count(1) > 0 && seen.count(2) > 0) identities.push_back(identity);
  }
  if (identities.empty()) {
    throw common::InputError(store.directory().string(),
                             "has no identity in both camera 1 and camera 2",
                             "choose a store with two cameras");
  }
  return identities;
}

int32_t test_role(int16_t camera) {
  if (camera == 1) return kRoleQuery;
  return camera == 2 ? kRoleGallery : kRoleNone;
}

}  // namespace

std::string default_protocol(const std::string& layout) {
  return layout == "video" ? "all-test" : "random-half";
}

std::vector<int32_t> assign_roles(const TrackletStore& store, const ProtocolOptions& options) {
  const std::string name =
      options.name.empty() ? default_protocol(store.manifest().facts.layout) : options.name;
  if (name != "random-half" && name != "all-test") {
    throw common::InputError("protocol '" + name + "'", "is not known",
                             "known: random-half, all-test");
  }
  if (options.split < 0 || options.split >= kSplits) {
    throw common::InputError("data.split", std::to_string(options.split) + " is not in 0 to 9");
  }
  std::vector<int32_t> identities = two_camera_identities(store);
  std::set<int32_t> train;
  if (name == "random-half") {
    common::KeyedRandom random(
        common::combined_key({options.split_seed, static_cast<uint64_t>(options.split)}));
    random.shuffle(identities);
    train.insert(identities.begin(), identities.begin() + static_cast<long>(identities.size() / 2));
  }
  const std::set<int32_t> known(identities.begin(), identities.end());
  std::vector<int32_t> roles;
  for (const StoredTracklet& tracklet : store.tracklets()) {
    if (known.count(tracklet.identity) == 0) {
      roles.push_back(kRoleNone);
    } else if (train.count(tracklet.identity) > 0) {
      roles.push_back(kRoleTrain);
    } else {
      roles.push_back(test_role(tracklet.camera));
    }
  }
  return roles;
}

}  // namespace muster::datastore
