#include "datastore/mars_roles.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "common/error.h"
#include "common/keyed_random.h"

namespace muster::datastore {
namespace {

using common::InputError;

constexpr int32_t kAnyTest = kRoleQuery | kRoleGallery | kRoleDistractor | kRoleJunk;

bool is_junk(const StoredTracklet& tracklet) {
  return tracklet.identity < 0 || (tracklet.role & kRoleJunk) != 0;
}

bool is_distractor(const StoredTracklet& tracklet) {
  return tracklet.identity == 0 || (tracklet.role & kRoleDistractor) != 0;
}

int32_t official_role(const StoredTracklet& tracklet) {
  if ((tracklet.role & kAnyTest) == 0) {
    return tracklet.identity > 0 ? tracklet.role & kRoleTrain : kRoleNone;
  }
  if (is_junk(tracklet)) return kRoleGallery | kRoleJunk;
  if (is_distractor(tracklet)) return kRoleGallery | kRoleDistractor;
  return kRoleGallery | (tracklet.role & kRoleQuery);
}

// Faults of a store whose roles were given by somebody else.
void require_sound_split(const TrackletStore& store) {
  const std::string place = store.directory().string();
  std::set<int32_t> train, test;
  bool has_query = false, has_gallery = false;
  for (const StoredTracklet& tracklet : store.tracklets()) {
    const int32_t role = tracklet.role;
    if ((role & kRoleQuery) != 0 && (is_junk(tracklet) || is_distractor(tracklet))) {
      throw InputError(place, "has a query of nobody: identity " +
                                  std::to_string(tracklet.identity) + ", camera " +
                                  std::to_string(tracklet.camera));
    }
    has_query |= (role & kRoleQuery) != 0;
    has_gallery |= (role & kAnyTest) != 0 && (role & kRoleQuery) == 0;
    if ((role & kRoleTrain) != 0) train.insert(tracklet.identity);
    if ((role & kAnyTest) != 0) test.insert(tracklet.identity);
  }
  if (!has_query || !has_gallery) {
    throw InputError(place,
                     std::string("has no split of its own: no tracklet of it is ") +
                         (has_query ? "gallery" : "a query"),
                     "ingest it with --layout mars, or choose another protocol");
  }
  for (const int32_t identity : test) {
    if (train.count(identity) > 0) {
      throw InputError(place, "has a split where identity " + std::to_string(identity) +
                                  " both trains and tests");
    }
  }
}

// Rows of the tracklets of each camera, in an order that does not depend on the store's.
using CameraRows = std::map<int16_t, std::vector<size_t>>;

std::map<int32_t, CameraRows> rows_of_persons(const TrackletStore& store) {
  const std::vector<StoredTracklet>& tracklets = store.tracklets();
  std::map<int32_t, CameraRows> persons;
  for (size_t row = 0; row < tracklets.size(); ++row) {
    const StoredTracklet& tracklet = tracklets[row];
    if (is_junk(tracklet) || is_distractor(tracklet)) continue;
    persons[tracklet.identity][tracklet.camera].push_back(row);
  }
  const auto key = [&](size_t row) {
    return std::make_tuple(tracklets[row].sequence, tracklets[row].length, row);
  };
  for (auto person = persons.begin(); person != persons.end();) {
    for (auto& [camera, rows] : person->second) {
      std::sort(rows.begin(), rows.end(), [&](size_t a, size_t b) { return key(a) < key(b); });
    }
    person = person->second.size() < 2 ? persons.erase(person) : std::next(person);
  }
  return persons;
}

struct DrawnPair {
  size_t query_row = 0, gallery_row = 0;
};

DrawnPair draw_pair(const CameraRows& rows_of_cameras, common::KeyedRandom random) {
  std::vector<int16_t> cameras;
  for (const auto& [camera, rows] : rows_of_cameras) cameras.push_back(camera);
  random.shuffle(cameras);
  const auto drawn_row = [&](int16_t camera) {
    const std::vector<size_t>& rows = rows_of_cameras.at(camera);
    return rows[random.below(rows.size())];
  };
  DrawnPair pair;
  pair.query_row = drawn_row(cameras[0]);
  pair.gallery_row = drawn_row(cameras[1]);
  return pair;
}

}  // namespace

std::vector<int32_t> mars_roles(const TrackletStore& store, const ProtocolOptions&) {
  require_sound_split(store);
  std::vector<int32_t> roles;
  for (const StoredTracklet& tracklet : store.tracklets()) roles.push_back(official_role(tracklet));
  return roles;
}

std::vector<int32_t> mars_torchreid_roles(const TrackletStore& store,
                                          const ProtocolOptions& options) {
  std::vector<int32_t> roles = mars_roles(store, options);
  for (int32_t& role : roles) {
    if ((role & kRoleQuery) != 0) role = kRoleQuery;
    if ((role & kRoleJunk) != 0) role = kRoleNone;
  }
  return roles;
}

std::vector<int32_t> mars_two_camera_roles(const TrackletStore& store,
                                           const ProtocolOptions& options) {
  const std::map<int32_t, CameraRows> persons = rows_of_persons(store);
  if (persons.empty()) {
    throw InputError(store.directory().string(), "has no identity seen by two cameras",
                     "choose a store with two cameras");
  }
  std::vector<int32_t> order;
  for (const auto& [identity, cameras] : persons) order.push_back(identity);
  const auto split = static_cast<uint64_t>(options.split);
  common::KeyedRandom halves(common::combined_key({options.split_seed, split}));
  halves.shuffle(order);
  std::vector<int32_t> roles(store.tracklets().size(), kRoleNone);
  for (size_t i = 0; i < order.size(); ++i) {
    const auto key =
        common::combined_key({options.split_seed, split, static_cast<uint64_t>(order[i])});
    const DrawnPair pair = draw_pair(persons.at(order[i]), common::KeyedRandom(key));
    const bool trains = i < order.size() / 2;
    roles[pair.query_row] = trains ? kRoleTrain : kRoleQuery;
    roles[pair.gallery_row] = trains ? kRoleTrain : kRoleGallery;
  }
  return roles;
}

}  // namespace muster::datastore
