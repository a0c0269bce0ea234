#include "datastore/sequence_folders.h"

#include <algorithm>
#include <tuple>

namespace muster::datastore {
namespace fs = std::filesystem;

namespace {

struct NumberedPicture {
  int64_t number;
  std::string name;
};

std::vector<NumberedPicture> pictures_of(const fs::path& folder) {
  std::vector<NumberedPicture> pictures;
  for (const std::string& name : sorted_pictures(folder)) {
    pictures.push_back({trailing_number(fs::path(name).stem().string()), name});
  }
  std::sort(pictures.begin(), pictures.end(), [](const auto& a, const auto& b) {
    return std::tie(a.number, a.name) < std::tie(b.number, b.name);
  });
  return pictures;
}

// "" if the pictures make a sequence.
std::string problem_with(const std::vector<NumberedPicture>& pictures) {
  if (pictures.empty()) return "holds no pictures (*.png, *.jpg)";
  if (pictures.front().number < 0) {
    return "holds '" + pictures.front().name + "', whose name does not end in a frame number";
  }
  for (size_t i = 1; i < pictures.size(); ++i) {
    if (pictures[i].number == pictures[i - 1].number) {
      return "holds frame " + std::to_string(pictures[i].number) + " twice: '" +
             pictures[i - 1].name + "' and '" + pictures[i].name + "'";
    }
  }
  return "";
}

// Counts sequences whose numbers have gaps, and remembers the first.
class Gaps {
 public:
  void look_at(const fs::path& folder, const std::vector<NumberedPicture>& pictures) {
    for (size_t i = 1; i < pictures.size(); ++i) {
      if (pictures[i].number == pictures[i - 1].number + 1) continue;
      if (sequences_++ == 0) {
        first_ = folder.string() + " after " + pictures[i - 1].name;
      }
      return;
    }
  }
  void tell(common::ProgressSink& progress) const {
    if (sequences_ == 0) return;
    progress.note(std::to_string(sequences_) + " sequences lack frames in between, the first is " +
                  first_ + "; flow across a gap is computed between its neighbours");
  }

 private:
  int64_t sequences_ = 0;
  std::string first_;
};

}  // namespace

PictureDataset sequence_folders_dataset(const fs::path& root, DatasetFacts facts,
                                        std::vector<SequenceFolder> folders, FaultList& faults,
                                        common::ProgressSink& progress) {
  std::sort(folders.begin(), folders.end(), [](const auto& a, const auto& b) {
    return std::tie(a.identity, a.camera, a.folder) < std::tie(b.identity, b.camera, b.folder);
  });
  PictureDataset dataset;
  dataset.root = root;
  dataset.facts = std::move(facts);
  Gaps gaps;
  for (const SequenceFolder& folder : folders) {
    const std::vector<NumberedPicture> pictures = pictures_of(root / folder.folder);
    const std::string problem = problem_with(pictures);
    if (!problem.empty()) {
      faults.leave_out((root / folder.folder).string(), problem,
                       "fetch the dataset again or remove the folder");
      continue;
    }
    gaps.look_at(folder.folder, pictures);
    PictureTracklet tracklet;
    tracklet.folder = folder.folder;
    tracklet.first_name = dataset.names.size();
    tracklet.description = {
        folder.identity,        folder.camera, 0, static_cast<int64_t>(pictures.size()),
        folder.folder.string(), kRoleNone};
    // A second folder of the same person and camera is another sequence of theirs.
    if (!dataset.tracklets.empty()) {
      const TrackletDescription& before = dataset.tracklets.back().description;
      if (before.identity == folder.identity && before.camera == folder.camera) {
        tracklet.description.sequence = before.sequence + 1;
      }
    }
    for (const NumberedPicture& picture : pictures) dataset.names.add(picture.name);
    dataset.tracklets.push_back(std::move(tracklet));
  }
  gaps.tell(progress);
  return dataset;
}

}  // namespace muster::datastore
