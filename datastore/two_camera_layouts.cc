// PRID-2011 and iLIDS-VID as their publishers lay them out.
#include "common/error.h"
#include "datastore/dataset_catalog.h"
#include "datastore/sequence_folders_reader.h"

namespace muster::datastore {
namespace fs = std::filesystem;

namespace {

// Person folders of one camera; names that end in no number belong to nobody and are refused.
void add_camera(const fs::path& root, const fs::path& camera_folder, int16_t camera,
                std::vector<SequenceFolder>& folders) {
  for (const fs::path& person : sorted_folders(root / camera_folder)) {
    const int32_t identity = trailing_number(person.filename().string());
    if (identity < 0) {
      throw common::InputError(person.string(), "does not end in a person's number",
                               "remove or rename the folder");
    }
    folders.push_back({camera_folder / person.filename(), identity, camera});
  }
}

}  // namespace

// ROOT/multi_shot/cam_{a,b}/person_NNNN/*.png. The same number in both cameras is the same person
// up to 200; above that the cameras number their own strangers, so camera b's are moved out of the
// way.
std::unique_ptr<DatasetReader> open_prid2011(const fs::path& root) {
  constexpr int32_t kCommonPersons = 200, kStrangerOffset = 10000;
  std::vector<SequenceFolder> folders;
  add_camera(root, fs::path("multi_shot") / "cam_a", 1, folders);
  add_camera(root, fs::path("multi_shot") / "cam_b", 2, folders);
  for (SequenceFolder& folder : folders) {
    if (folder.camera == 2 && folder.identity > kCommonPersons) folder.identity += kStrangerOffset;
  }
  return read_sequence_folders(root, "prid2011", std::move(folders));
}

// ROOT/sequences/cam{1,2}/personNNN/*.png; numbers have gaps.
std::unique_ptr<DatasetReader> open_ilids_vid(const fs::path& root) {
  std::vector<SequenceFolder> folders;
  add_camera(root, fs::path("sequences") / "cam1", 1, folders);
  add_camera(root, fs::path("sequences") / "cam2", 2, folders);
  return read_sequence_folders(root, "ilids-vid", std::move(folders));
}

}  // namespace muster::datastore
