// PRID-2011 and iLIDS-VID as their publishers lay them out.
#include "common/error.h"
#include "datastore/dataset_catalog.h"
#include "datastore/sequence_folders.h"

namespace muster::datastore {
namespace fs = std::filesystem;

namespace {

// Person folders of one camera; names that end in no number belong to nobody.
void add_camera(const fs::path& root, const fs::path& camera_folder, int16_t camera,
                std::vector<SequenceFolder>& folders, FaultList& faults) {
  for (const fs::path& person : sorted_folders(root / camera_folder)) {
    const int64_t identity = trailing_number(person.filename().string());
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

}  // namespace

// ROOT/multi_shot/cam_{a,b}/person_NNNN/*.png. The same number in both cameras is the same person
// up to 200; above that the cameras number their own strangers, so camera b's are moved out of the
// way.
std::unique_ptr<DatasetReader> open_prid2011(const fs::path& root, const DatasetOptions& options,
                                             common::ProgressSink& progress) {
  constexpr int32_t kCommonPersons = 200, kStrangerOffset = 10000;
  FaultList faults(options.on_error);
  std::vector<SequenceFolder> folders;
  add_camera(root, fs::path("multi_shot") / "cam_a", 1, folders, faults);
  add_camera(root, fs::path("multi_shot") / "cam_b", 2, folders, faults);
  for (SequenceFolder& folder : folders) {
    if (folder.camera == 2 && folder.identity > kCommonPersons) folder.identity += kStrangerOffset;
  }
  PictureDataset dataset =
      sequence_folders_dataset(root, facts_of("prid2011"), std::move(folders), faults, progress);
  dataset.left_out = faults.left_out();
  return picture_dataset_reader(std::move(dataset));
}

// ROOT/sequences/cam{1,2}/personNNN/*.png; numbers have gaps.
std::unique_ptr<DatasetReader> open_ilids_vid(const fs::path& root, const DatasetOptions& options,
                                              common::ProgressSink& progress) {
  FaultList faults(options.on_error);
  std::vector<SequenceFolder> folders;
  add_camera(root, fs::path("sequences") / "cam1", 1, folders, faults);
  add_camera(root, fs::path("sequences") / "cam2", 2, folders, faults);
  PictureDataset dataset =
      sequence_folders_dataset(root, facts_of("ilids-vid"), std::move(folders), faults, progress);
  dataset.left_out = faults.left_out();
  return picture_dataset_reader(std::move(dataset));
}

}  // namespace muster::datastore
