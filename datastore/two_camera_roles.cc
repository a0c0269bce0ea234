#include "datastore/two_camera_roles.h"

#include <algorithm>
#include <map>
#include <set>

#include "common/error.h"
#include "common/keyed_random.h"

namespace muster::datastore {
namespace {

using common::InputError;
using Persons = std::set<int32_t>;

constexpr int16_t kQueryCamera = 1, kGalleryCamera = 2;

bool passes(const StoredTracklet& tracklet, const PersonFilter& filter) {
  return tracklet.identity > 0 && tracklet.identity <= filter.last_identity &&
         tracklet.length >= filter.shortest_frames;
}

Persons persons_of(const TrackletStore& store, const PersonFilter& filter) {
  std::map<int32_t, std::set<int16_t>> cameras;
  for (const StoredTracklet& tracklet : store.tracklets()) {
    if (passes(tracklet, filter)) cameras[tracklet.identity].insert(tracklet.camera);
  }
  Persons persons;
  for (const auto& [identity, seen] : cameras) {
    if (seen.count(kQueryCamera) > 0 && seen.count(kGalleryCamera) > 0) persons.insert(identity);
  }
  return persons;
}

void require_somebody(const TrackletStore& store, const Persons& persons,
                      const PersonFilter& filter) {
  if (!persons.empty()) return;
  if (filter.shortest_frames > 1) {
    throw InputError(store.directory().string(),
                     "has no identity with " + std::to_string(filter.shortest_frames) +
                         " or more frames in both camera 1 and camera 2",
                     "choose a protocol without a shortest length: random-half");
  }
  throw InputError(store.directory().string(), "has no identity in both camera 1 and camera 2",
                   "choose a store with two cameras");
}

std::vector<int32_t> roles_of(const TrackletStore& store, const Persons& train, const Persons& test,
                              const PersonFilter& filter) {
  std::vector<int32_t> roles;
  for (const StoredTracklet& tracklet : store.tracklets()) {
    int32_t role = kRoleNone;
    if (passes(tracklet, filter) && train.count(tracklet.identity) > 0) {
      role = kRoleTrain;
    } else if (passes(tracklet, filter) && test.count(tracklet.identity) > 0) {
      if (tracklet.camera == kQueryCamera) role = kRoleQuery;
      if (tracklet.camera == kGalleryCamera) role = kRoleGallery;
    }
    roles.push_back(role);
  }
  return roles;
}

// Some persons by number, for an error.
std::string numbers(const Persons& persons) {
  constexpr size_t kTold = 5;
  std::string text;
  size_t told = 0;
  for (const int32_t person : persons) {
    if (told++ == kTold) return text + " and " + std::to_string(persons.size() - kTold) + " more";
    text += (text.empty() ? "" : ", ") + std::to_string(person);
  }
  return text;
}

Persons missing_from(const Persons& persons, const Persons& known) {
  Persons missing;
  std::set_difference(persons.begin(), persons.end(), known.begin(), known.end(),
                      std::inserter(missing, missing.end()));
  return missing;
}

}  // namespace

std::vector<int32_t> seeded_half_roles(const TrackletStore& store, const ProtocolOptions& options,
                                       const PersonFilter& filter, OddPerson odd) {
  const Persons persons = persons_of(store, filter);
  require_somebody(store, persons, filter);
  std::vector<int32_t> order(persons.begin(), persons.end());
  common::KeyedRandom random(
      common::combined_key({options.split_seed, static_cast<uint64_t>(options.split)}));
  random.shuffle(order);
  const size_t half = (order.size() + (odd == OddPerson::kTrains ? 1 : 0)) / 2;
  const auto middle = order.begin() + static_cast<long>(half);
  return roles_of(store, {order.begin(), middle}, {middle, order.end()}, filter);
}

std::vector<int32_t> all_test_roles(const TrackletStore& store) {
  std::map<int32_t, std::set<int16_t>> cameras;
  for (const StoredTracklet& tracklet : store.tracklets()) {
    if (tracklet.identity > 0) cameras[tracklet.identity].insert(tracklet.camera);
  }
  bool somebody = false;
  std::vector<int32_t> roles;
  for (const StoredTracklet& tracklet : store.tracklets()) {
    const auto seen = cameras.find(tracklet.identity);
    const bool tests = seen != cameras.end() && seen->second.size() >= 2;
    const bool first = tests && tracklet.camera == *seen->second.begin();
    roles.push_back(!tests ? kRoleNone : first ? kRoleQuery : kRoleGallery);
    somebody |= tests;
  }
  if (!somebody) {
    throw InputError(store.directory().string(), "has no identity under two cameras",
                     "choose a store with two cameras, or say by identities.csv who is who");
  }
  return roles;
}

bool has_official_halves(const TrackletStore& store) {
  return !store.manifest().facts.test_identities.empty();
}

std::vector<int32_t> official_half_roles(const TrackletStore& store,
                                         const ProtocolOptions& options) {
  const DatasetFacts& facts = store.manifest().facts;
  const std::string place = store.directory().string();
  if (!has_official_halves(store)) {
    throw InputError(place, "has no splits of its own", "choose the protocol random-half");
  }
  const auto split = static_cast<size_t>(options.split);
  if (split >= facts.test_identities.size()) {
    throw InputError(place, "has " + std::to_string(facts.test_identities.size()) +
                                " splits of its own, data.split is " +
                                std::to_string(options.split) + " (counted from 0)");
  }
  const Persons all(facts.split_identities.begin(), facts.split_identities.end());
  const Persons test(facts.test_identities[split].begin(), facts.test_identities[split].end());
  const Persons unknown = missing_from(all, persons_of(store, {}));
  if (!unknown.empty()) {
    throw InputError(place,
                     "has splits that name persons whom it does not have under both cameras: " +
                         numbers(unknown),
                     "ingest the whole dataset, or choose the protocol random-half");
  }
  return roles_of(store, missing_from(all, test), test, {});
}

}  // namespace muster::datastore
