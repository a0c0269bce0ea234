// A store as MARS: folders of identities, name lists and tables in info/.
#include <algorithm>
#include <set>

#include "common/error.h"
#include "datastore/export_layout.h"
#include "datastore/file_names.h"

namespace muster::datastore {
namespace {

bool trains(const StoredTracklet& tracklet) { return (tracklet.role & kRoleTrain) != 0; }

void require_place(const TrackletStore& store, const StoredTracklet& tracklet, int32_t sequence) {
  if (tracklet.identity >= -1 && tracklet.identity <= 9999 && tracklet.camera >= 1 &&
      tracklet.camera <= 9 && sequence >= 0 && sequence <= 9999) {
    return;
  }
  throw common::InputError(store.directory().string(),
                           "tracklet " + std::to_string(sequence) + " of identity " +
                               std::to_string(tracklet.identity) + " under camera " +
                               std::to_string(tracklet.camera) + " has no place in MARS's names");
}

std::vector<TrackletPlace> mars_places(const TrackletStore& store) {
  std::vector<TrackletPlace> places;
  std::set<std::string> taken;
  for (const StoredTracklet& tracklet : store.tracklets()) {
    const std::string label = tracklet.identity < 0 ? "00-1" : numbered("%04d", tracklet.identity);
    TrackletPlace place;
    place.folder = (trains(tracklet) ? "bbox_train/" : "bbox_test/") + label;
    // Where rows of the dataset shared a number, the second gets a free one.
    int32_t sequence = tracklet.sequence;
    std::string name;
    do {
      require_place(store, tracklet, sequence);
      name = label + numbered("C%dT%04d", tracklet.camera, sequence++);
    } while (!taken.insert(place.folder + name).second);
    place.prefix = name + "F";
    place.digits = std::max(3, static_cast<int>(std::to_string(tracklet.length).size()));
    place.joints = "joints/" + place.folder + "/" + name + ".csv";
    places.push_back(std::move(place));
  }
  return places;
}

struct MarsTables {
  std::string names;             // one frame a line
  std::vector<int32_t> rows;     // first frame, last frame, identity, camera
  std::vector<int32_t> queries;  // 1-based rows
};

MarsTables tables_of(const TrackletStore& store, const std::vector<TrackletPlace>& places,
                     bool train, const std::string& extension) {
  MarsTables tables;
  int32_t frames = 0, row = 0;
  for (size_t i = 0; i < places.size(); ++i) {
    const StoredTracklet& tracklet = store.tracklets()[i];
    if (trains(tracklet) != train) continue;
    for (int64_t frame = 0; frame < tracklet.length; ++frame) {
      tables.names += places[i].picture_name(frame, extension) + "\n";
    }
    tables.rows.insert(tables.rows.end(),
                       {frames + 1, frames + tracklet.length, tracklet.identity, tracklet.camera});
    frames += tracklet.length;
    ++row;
    if ((tracklet.role & kRoleQuery) != 0) tables.queries.push_back(row);
  }
  return tables;
}

void write_mars_lists(const TrackletStore& store, const std::vector<TrackletPlace>& places,
                      const std::string& extension, NewFolder& folder) {
  for (const bool train : {true, false}) {
    const std::string part = train ? "train" : "test";
    const MarsTables tables = tables_of(store, places, train, extension);
    folder.make_folder("bbox_" + part);
    folder.write("info/" + part + "_name.txt", tables.names);
    write_table(folder, "info/tracks_" + part + "_info.mat", "track_" + part + "_info",
                tables.rows.size() / 4, 4, tables.rows);
    if (train) continue;
    write_table(folder, "info/query_IDX.mat", "query_IDX", 1, tables.queries.size(),
                tables.queries);
  }
}

}  // namespace

ExportLayout mars_export() { return {"mars", mars_places, write_mars_lists}; }

}  // namespace muster::datastore
