#include "datastore/picture_dataset.h"

#include <algorithm>
#include <cctype>

#include "common/error.h"
#include "datastore/joints_file.h"
#include "datastore/picture_files.h"
#include "datastore/synthetic_mark.h"

namespace muster::datastore {
namespace fs = std::filesystem;
using common::InputError;

namespace {

template <typename Action>
void for_each_entry(const fs::path& directory, const Action& action) {
  std::error_code failure;
  if (!fs::is_directory(directory, failure)) {
    throw InputError(directory.string(), "no such directory",
                     "see docs/guides/datasets.md for what belongs where");
  }
  fs::directory_iterator entries(directory, failure);
  for (; !failure && entries != fs::directory_iterator(); entries.increment(failure)) {
    action(*entries);
  }
  if (failure) {
    throw common::SystemError(directory.string(), "cannot be listed: " + failure.message());
  }
}

class PictureDatasetReader : public DatasetReader {
 public:
  PictureDatasetReader(PictureDataset dataset, std::vector<LeftOut> left_out)
      : dataset_(std::move(dataset)), left_out_(std::move(left_out)) {
    read_synthetic_mark(dataset_.root, dataset_.facts);
    for (size_t i = 0; i < dataset_.tracklets.size(); ++i) {
      PictureTracklet& tracklet = dataset_.tracklets[i];
      std::error_code ignored;
      if (fs::exists(joints_path(tracklet.description), ignored)) joints_.push_back(i);
      source_ends_.push_back((source_ends_.empty() ? 0 : source_ends_.back()) +
                             static_cast<size_t>(tracklet.description.frames));
      descriptions_.push_back(std::move(tracklet.description));
    }
  }

  DatasetFacts facts() const override { return dataset_.facts; }
  const std::vector<TrackletDescription>& tracklets() const override { return descriptions_; }
  SourceFrame read_frame(size_t tracklet, int64_t frame) const override {
    return read_source_frame(picture(tracklet, frame));
  }
  std::vector<Joint> read_joints(size_t tracklet) const override {
    if (!std::binary_search(joints_.begin(), joints_.end(), tracklet)) return {};
    const TrackletDescription& description = descriptions_[tracklet];
    return read_joints_file(joints_path(description), description.frames);
  }
  // All pictures, tracklet by tracklet, then all joints.
  size_t source_count() const override {
    return (source_ends_.empty() ? 0 : source_ends_.back()) + joints_.size();
  }
  fs::path source(size_t index) const override {
    const size_t pictures = source_ends_.empty() ? 0 : source_ends_.back();
    if (index >= pictures) return joints_path(descriptions_[joints_.at(index - pictures)]);
    const auto end = std::upper_bound(source_ends_.begin(), source_ends_.end(), index);
    const auto tracklet = static_cast<size_t>(end - source_ends_.begin());
    const size_t begin = tracklet == 0 ? 0 : source_ends_[tracklet - 1];
    return picture(tracklet, static_cast<int64_t>(index - begin));
  }
  const std::vector<LeftOut>& left_out() const override { return left_out_; }

 private:
  fs::path picture(size_t tracklet, int64_t frame) const {
    const PictureTracklet& place = dataset_.tracklets[tracklet];
    return dataset_.root / place.folder /
           dataset_.names.at(place.first_name + static_cast<size_t>(frame));
  }
  fs::path joints_path(const TrackletDescription& description) const {
    return dataset_.root / "joints" / (description.name + ".csv");
  }

  PictureDataset dataset_;
  const std::vector<LeftOut> left_out_;
  std::vector<TrackletDescription> descriptions_;
  std::vector<size_t> source_ends_;  // pictures of tracklets 0 .. i
  std::vector<size_t> joints_;       // tracklets that have them, ascending
};

}  // namespace

std::unique_ptr<DatasetReader> picture_dataset_reader(PictureDataset dataset,
                                                      const FaultList& faults,
                                                      common::ProgressSink& progress) {
  if (dataset.tracklets.empty()) {
    faults.nothing_is_left(dataset.root.string(),
                           "holds no tracklets of the " + dataset.facts.layout + " layout",
                           progress);
  }
  return std::make_unique<PictureDatasetReader>(std::move(dataset), faults.left_out());
}

bool is_picture_name(const std::string& name) {
  std::string extension = fs::path(name).extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char letter) { return std::tolower(letter); });
  return !name.empty() && name.front() != '.' &&
         (extension == ".png" || extension == ".jpg" || extension == ".jpeg" ||
          extension == ".bmp");
}

std::vector<fs::path> sorted_folders(const fs::path& directory) {
  std::vector<fs::path> folders;
  for_each_entry(directory, [&](const fs::directory_entry& entry) {
    std::error_code ignored;
    if (entry.is_directory(ignored)) folders.push_back(entry.path());
  });
  std::sort(folders.begin(), folders.end());
  return folders;
}

std::vector<std::string> sorted_pictures(const fs::path& directory) {
  std::vector<std::string> names;
  for_each_entry(directory, [&](const fs::directory_entry& entry) {
    const std::string name = entry.path().filename().string();
    if (is_picture_name(name)) names.push_back(name);
  });
  std::sort(names.begin(), names.end());
  return names;
}

int64_t trailing_number(const std::string& name) {
  size_t begin = name.size();
  while (begin > 0 && std::isdigit(static_cast<unsigned char>(name[begin - 1])) != 0) --begin;
  if (begin == name.size() || name.size() - begin > 18) return -1;
  return std::stoll(name.substr(begin));
}

}  // namespace muster::datastore
