// PRID-2011, iLIDS-VID and SDU-VID as their publishers lay them out.
#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "common/error.h"
#include "datastore/dataset_catalog.h"
#include "datastore/official_splits.h"
#include "datastore/sequence_folders.h"

namespace muster::datastore {
namespace fs = std::filesystem;

namespace {

using PersonOfFolder = int64_t (*)(const std::string& name);  // -1: nobody

// Person folders of one camera; names that tell no person are faults.
void add_camera(const fs::path& root, const fs::path& camera_folder, int16_t camera,
                PersonOfFolder person_of, std::vector<SequenceFolder>& folders, FaultList& faults) {
  for (const fs::path& person : sorted_folders(root / camera_folder)) {
    const int64_t identity = person_of(person.filename().string());
    if (identity < 0 || identity > INT32_MAX / 2) {
      faults.leave_out(person.string(), "does not end in a person's number",
                       "remove or rename the folder");
      continue;
    }
    folders.push_back({camera_folder / person.filename(), static_cast<int32_t>(identity), camera});
  }
}

DatasetFacts facts_of(const std::string& layout) {
  DatasetFacts facts;
  facts.layout = layout;
  facts.origin = "sequences in the " + layout + " layout";
  return facts;
}

std::map<std::string, int32_t> persons_of_camera(const std::vector<SequenceFolder>& folders,
                                                 int16_t camera) {
  std::map<std::string, int32_t> persons;
  for (const SequenceFolder& folder : folders) {
    if (folder.camera == camera) persons[folder.folder.filename().string()] = folder.identity;
  }
  return persons;
}

// Folder names that mean the same person in both cameras.
std::map<std::string, int32_t> persons_of_both(const std::vector<SequenceFolder>& folders) {
  const std::map<std::string, int32_t> second = persons_of_camera(folders, 2);
  std::map<std::string, int32_t> both;
  for (const auto& [name, identity] : persons_of_camera(folders, 1)) {
    const auto other = second.find(name);
    if (other != second.end() && other->second == identity) both[name] = identity;
  }
  return both;
}

// In the order of their names; a second folder of the same person does not count.
std::vector<int32_t> in_order_of_names(const std::map<std::string, int32_t>& persons) {
  std::vector<int32_t> identities;
  std::set<int32_t> seen;
  for (const auto& [name, identity] : persons) {
    if (seen.insert(identity).second) identities.push_back(identity);
  }
  return identities;
}

bool is_there(const fs::path& file) {
  std::error_code ignored;
  return fs::exists(file, ignored);
}

void read_ilids_splits(const fs::path& root, const std::vector<SequenceFolder>& folders,
                       DatasetFacts& facts) {
  std::map<std::string, int32_t> persons = persons_of_camera(folders, 1);
  persons.merge(persons_of_camera(folders, 2));
  const fs::path table = root / "train-test people splits" / "train_test_splits_ilidsvid.mat";
  if (is_there(table)) read_matlab_splits(table, in_order_of_names(persons), facts);
  if (is_there(root / "splits.json")) {
    read_named_splits(root / "splits.json", persons, facts);
  }
}

// PRID's table counts through the persons with 27 frames or more in both cameras.
void read_prid_splits(const fs::path& root, const std::vector<SequenceFolder>& folders,
                      PictureDataset& dataset, FaultList& faults) {
  constexpr int64_t kFewestFrames = 27;
  std::map<std::pair<int32_t, int16_t>, int64_t> longest;
  for (const PictureTracklet& tracklet : dataset.tracklets) {
    int64_t& frames = longest[{tracklet.description.identity, tracklet.description.camera}];
    frames = std::max(frames, tracklet.description.frames);
  }
  std::map<std::string, int32_t> long_enough;
  for (const auto& [name, identity] : persons_of_both(folders)) {
    if (longest[{identity, 1}] >= kFewestFrames && longest[{identity, 2}] >= kFewestFrames) {
      long_enough[name] = identity;
    }
  }
  const fs::path table = root / "train_test_splits_prid.mat";
  if (is_there(table) && faults.left_out().empty()) {
    read_matlab_splits(table, in_order_of_names(long_enough), dataset.facts);
  } else if (is_there(table)) {
    faults.leave_out(table.string(), "counts through folders some of which were left out");
  }
  const fs::path named = root / "splits_prid2011.json";
  if (is_there(named)) read_named_splits(named, persons_of_both(folders), dataset.facts);
}

std::optional<int64_t> whole_number(const std::string& text) {
  const bool digits = !text.empty() && text.size() <= 9 &&
                      text.find_first_not_of("0123456789") == std::string::npos;
  return digits ? std::optional<int64_t>(std::stoll(text)) : std::nullopt;
}

// "x_R0012_y" is 12: a token between underscores that is R and digits. Without one the last three
// characters tell.
int64_t sdu_person(const std::string& name) {
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('_', begin), name.size());
    const std::string token = name.substr(begin, end - begin);
    begin = end + 1;
    if (token.empty() || token.front() != 'R') continue;
    if (const auto number = whole_number(token.substr(1))) return *number;
  }
  if (name.size() < 3) return -1;
  return whole_number(name.substr(name.size() - 3)).value_or(-1);
}

}  // namespace

// ROOT/multi_shot/cam_{a,b}/person_NNNN/*.png. The same number in both cameras is the same person
// up to 200; above that the cameras number their own strangers, so camera b's are moved out of the
// way.
std::unique_ptr<DatasetReader> open_prid2011(const fs::path& root, const DatasetOptions& options,
                                             common::ProgressSink& progress) {
  FaultList faults(options.on_error, root);
  std::vector<SequenceFolder> folders;
  add_camera(root, fs::path("multi_shot") / "cam_a", 1, trailing_number, folders, faults);
  add_camera(root, fs::path("multi_shot") / "cam_b", 2, trailing_number, folders, faults);
  for (SequenceFolder& folder : folders) {
    if (folder.camera == 2 && folder.identity > kPridCommonPersons) {
      folder.identity += kPridStrangerOffset;
    }
  }
  PictureDataset dataset =
      sequence_folders_dataset(root, facts_of("prid2011"), folders, faults, progress);
  read_prid_splits(root, folders, dataset, faults);
  return picture_dataset_reader(std::move(dataset), faults, progress);
}

// ROOT/sequences/cam{1,2}/personNNN/*.png; numbers have gaps.
std::unique_ptr<DatasetReader> open_ilids_vid(const fs::path& root, const DatasetOptions& options,
                                              common::ProgressSink& progress) {
  FaultList faults(options.on_error, root);
  std::vector<SequenceFolder> folders;
  add_camera(root, fs::path("sequences") / "cam1", 1, trailing_number, folders, faults);
  add_camera(root, fs::path("sequences") / "cam2", 2, trailing_number, folders, faults);
  DatasetFacts facts = facts_of("ilids-vid");
  read_ilids_splits(root, folders, facts);
  PictureDataset dataset =
      sequence_folders_dataset(root, std::move(facts), std::move(folders), faults, progress);
  return picture_dataset_reader(std::move(dataset), faults, progress);
}

// ROOT/sequences/camN/<person>/*; what store export writes for videos has cameras beyond 2.
std::unique_ptr<DatasetReader> open_sdu_vid(const fs::path& root, const DatasetOptions& options,
                                            common::ProgressSink& progress) {
  FaultList faults(options.on_error, root);
  std::vector<SequenceFolder> folders;
  for (const fs::path& place : sorted_folders(root / "sequences")) {
    const int64_t camera = trailing_number(place.filename().string());
    if (camera < 1 || camera > INT16_MAX) {
      faults.leave_out(place.string(), "does not end in a camera's number",
                       "remove or rename the folder");
      continue;
    }
    add_camera(root, fs::path("sequences") / place.filename(), static_cast<int16_t>(camera),
               sdu_person, folders, faults);
  }
  PictureDataset dataset =
      sequence_folders_dataset(root, facts_of("sdu-vid"), std::move(folders), faults, progress);
  return picture_dataset_reader(std::move(dataset), faults, progress);
}

}  // namespace muster::datastore
