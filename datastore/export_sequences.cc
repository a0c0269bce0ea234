// A store as PRID-2011, iLIDS-VID or SDU-VID: a folder per tracklet.
#include <algorithm>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "common/error.h"
#include "datastore/export_layout.h"
#include "datastore/file_names.h"
#include "datastore/two_camera_facts.h"

namespace muster::datastore {
namespace {

// Splits are written by these names.
constexpr char kPridPerson[] = "person_%04d", kIlidsPerson[] = "person%03d";

// The folder of the `again`-th further tracklet (0: the first) of a person under a camera. Readers
// number the folders of one person in the order of their names.
using FolderOf = std::string (*)(int32_t person, int16_t camera, int32_t again);

std::string prid_folder(int32_t identity, int16_t camera, int32_t again) {
  const bool stranger = camera == 2 && identity > kPridStrangerOffset + kPridCommonPersons;
  const int32_t person = stranger ? identity - kPridStrangerOffset : identity;
  const std::string further = again == 0 ? "" : numbered("s%05d_", again);
  return numbered("multi_shot/cam_%c/person_%s%04d", camera == 1 ? 'a' : 'b', further.c_str(),
                  person);
}

std::string ilids_folder(int32_t person, int16_t camera, int32_t again) {
  const std::string further = again == 0 ? "" : numbered("_s%05d_", again);
  return numbered("sequences/cam%d/person%s%03d", camera, further.c_str(), person);
}

// Three digits where they suffice, as in the dataset itself.
std::string sdu_folder(int32_t person, int16_t camera, int32_t again) {
  if (person <= 999 && again == 0) return numbered("sequences/cam%d/person%03d", camera, person);
  return numbered("sequences/cam%d/person_R%04d_S%05d", camera, person, again);
}

std::vector<TrackletPlace> folder_places(const TrackletStore& store, FolderOf folder_of,
                                         int16_t most_cameras, int digits) {
  std::map<std::pair<int32_t, int16_t>, int32_t> count;
  std::vector<TrackletPlace> places;
  for (const StoredTracklet& tracklet : store.tracklets()) {
    if (tracklet.identity < 0 || tracklet.camera < 1 || tracklet.camera > most_cameras) {
      throw common::InputError(store.directory().string(),
                               "identity " + std::to_string(tracklet.identity) + " under camera " +
                                   std::to_string(tracklet.camera) +
                                   " has no place in the folders of the layout");
    }
    const int32_t again = count[{tracklet.identity, tracklet.camera}]++;
    TrackletPlace place;
    place.folder = folder_of(tracklet.identity, tracklet.camera, again);
    place.digits = digits;
    place.joints = "joints/" + place.folder + ".csv";
    places.push_back(std::move(place));
  }
  return places;
}

std::vector<TrackletPlace> prid_places(const TrackletStore& store) {
  return folder_places(store, prid_folder, 2, 4);
}

// Names carry camera and person: "cam1_person001_00001.png".
std::vector<TrackletPlace> ilids_places(const TrackletStore& store) {
  std::vector<TrackletPlace> places = folder_places(store, ilids_folder, 2, 5);
  for (size_t i = 0; i < places.size(); ++i) {
    const StoredTracklet& tracklet = store.tracklets()[i];
    places[i].prefix = numbered("cam%d_person%03d_", tracklet.camera, tracklet.identity);
  }
  return places;
}

std::vector<TrackletPlace> sdu_places(const TrackletStore& store) {
  return folder_places(store, sdu_folder, INT16_MAX, 5);
}

std::set<int32_t> identities_under(const TrackletStore& store, int16_t camera) {
  std::set<int32_t> identities;
  for (const StoredTracklet& tracklet : store.tracklets()) {
    if (tracklet.camera == camera) identities.insert(tracklet.identity);
  }
  return identities;
}

using Persons = std::set<int32_t>;

Persons in_either_camera(const TrackletStore& store) {
  Persons persons = identities_under(store, 1);
  persons.merge(identities_under(store, 2));
  return persons;
}

Persons in_both_cameras(const TrackletStore& store) {
  const Persons first = identities_under(store, 1), second = identities_under(store, 2);
  Persons both;
  std::set_intersection(first.begin(), first.end(), second.begin(), second.end(),
                        std::inserter(both, both.end()));
  return both;
}

// The dataset's splits without persons whom the store does not have.
DatasetFacts splits_of(const TrackletStore& store, const Persons& persons) {
  const auto keep_those_here = [&](std::vector<int32_t>& identities) {
    const auto gone = [&](int32_t identity) { return persons.count(identity) == 0; };
    identities.erase(std::remove_if(identities.begin(), identities.end(), gone), identities.end());
  };
  DatasetFacts facts = store.manifest().facts;
  keep_those_here(facts.split_identities);
  for (auto& tests : facts.test_identities) keep_those_here(tests);
  return facts;
}

bool trains_in(const std::vector<int32_t>& tests, int32_t identity) {
  return std::find(tests.begin(), tests.end(), identity) == tests.end();
}

// As Torchreid keeps them: folder names by split.
void write_named_splits(const DatasetFacts& facts, const char* person_form, const std::string& file,
                        NewFolder& folder) {
  nlohmann::json splits = nlohmann::json::array();
  for (const auto& tests : facts.test_identities) {
    nlohmann::json train = nlohmann::json::array(), test = nlohmann::json::array();
    for (const int32_t identity : facts.split_identities) {
      const std::string name = numbered(person_form, identity);
      (trains_in(tests, identity) ? train : test).push_back(name);
    }
    splits.push_back({{"train", train}, {"test", test}});
  }
  folder.write(file, splits.dump(1) + "\n");
}

// A table of halves can say it: everyone takes part, and half of them test.
bool makes_a_table(const Persons& everyone, const DatasetFacts& facts) {
  const auto is_half = [&](const auto& tests) {
    return tests.size() == facts.split_identities.size() / 2;
  };
  return facts.split_identities.size() == everyone.size() &&
         facts.test_identities.size() == size_t{kOfficialSplits} &&
         std::all_of(facts.test_identities.begin(), facts.test_identities.end(), is_half);
}

void write_ilids_table(const DatasetFacts& facts, NewFolder& folder) {
  // The table counts through the folders in the order of their names.
  std::vector<std::pair<std::string, int32_t>> persons;
  for (const int32_t identity : facts.split_identities) {
    persons.push_back({numbered(kIlidsPerson, identity), identity});
  }
  std::sort(persons.begin(), persons.end());
  std::vector<int32_t> table;
  for (const auto& tests : facts.test_identities) {
    for (const bool train : {false, true}) {
      for (size_t place = 0; place < persons.size(); ++place) {
        if (trains_in(tests, persons[place].second) == train) {
          table.push_back(static_cast<int32_t>(place) + 1);
        }
      }
    }
  }
  write_table(folder, "train-test people splits/train_test_splits_ilidsvid.mat", "ls_set",
              facts.test_identities.size(), persons.size(), table);
}

void write_prid_lists(const TrackletStore& store, const std::vector<TrackletPlace>&,
                      const std::string&, NewFolder& folder) {
  folder.make_folder("multi_shot/cam_a");
  folder.make_folder("multi_shot/cam_b");
  const DatasetFacts facts = splits_of(store, in_both_cameras(store));
  if (facts.test_identities.empty()) return;
  write_named_splits(facts, kPridPerson, "splits_prid2011.json", folder);
}

void write_ilids_lists(const TrackletStore& store, const std::vector<TrackletPlace>&,
                       const std::string&, NewFolder& folder) {
  folder.make_folder("sequences/cam1");
  folder.make_folder("sequences/cam2");
  const Persons everyone = in_either_camera(store);
  const DatasetFacts facts = splits_of(store, everyone);
  if (facts.test_identities.empty()) return;
  if (makes_a_table(everyone, facts)) {
    write_ilids_table(facts, folder);
  } else {
    write_named_splits(facts, kIlidsPerson, "splits.json", folder);
  }
}

void write_no_lists(const TrackletStore&, const std::vector<TrackletPlace>&, const std::string&,
                    NewFolder& folder) {
  folder.make_folder("sequences");
}

}  // namespace

ExportLayout prid2011_export() { return {"prid2011", prid_places, write_prid_lists}; }
ExportLayout ilids_vid_export() { return {"ilids-vid", ilids_places, write_ilids_lists}; }
ExportLayout sdu_vid_export() { return {"sdu-vid", sdu_places, write_no_lists}; }

}  // namespace muster::datastore
