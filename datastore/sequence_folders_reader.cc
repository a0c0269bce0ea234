#include "datastore/sequence_folders_reader.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/atomic_file.h"
#include "common/error.h"
#include "datastore/picture_files.h"

namespace muster::datastore {
namespace fs = std::filesystem;
using common::InputError;

namespace {

bool is_picture(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg";
}

std::vector<fs::path> sorted_pictures(const fs::path& folder) {
  std::vector<fs::path> pictures;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (is_picture(entry.path())) pictures.push_back(entry.path());
  }
  std::sort(pictures.begin(), pictures.end());
  return pictures;
}

// Rows of a joints file: frame name, then x, y, confidence per joint.
std::vector<Joint> parse_joints(const fs::path& path, size_t frames) {
  std::istringstream in(common::read_file(path));
  std::string line;
  std::getline(in, line);
  std::vector<Joint> joints;
  while (std::getline(in, line)) {
    std::istringstream cells(line);
    std::string cell;
    std::getline(cells, cell, ',');
    std::vector<float> values;
    while (std::getline(cells, cell, ',')) {
      float value = 0;
      const auto end = cell.data() + cell.size();
      const auto parsed = std::from_chars(cell.data(), end, value);
      if (parsed.ec != std::errc() || parsed.ptr != end) {
        throw InputError(path.string(), "holds '" + cell + "' where a number should be");
      }
      values.push_back(value);
    }
    if (values.size() != kJointCount * 3) {
      throw InputError(path.string(),
                       "a row has " + std::to_string(values.size()) + " numbers instead of 42");
    }
    for (size_t i = 0; i < values.size(); i += 3) {
      joints.push_back({values[i], values[i + 1], values[i + 2]});
    }
  }
  if (joints.size() != frames * kJointCount) {
    throw InputError(path.string(),
                     "does not have one row for each of the " + std::to_string(frames) + " frames");
  }
  return joints;
}

class SequenceFoldersReader : public DatasetReader {
 public:
  SequenceFoldersReader(const fs::path& root, const std::string& layout,
                        const std::vector<SequenceFolder>& folders)
      : root_(root) {
    facts_.layout = layout;
    facts_.origin = "sequences in the " + layout + " layout";
    read_synthetic_mark();
    for (const SequenceFolder& folder : folders) {
      std::vector<fs::path> pictures = sorted_pictures(root / folder.folder);
      if (pictures.empty()) {
        throw InputError((root / folder.folder).string(), "holds no pictures (*.png, *.jpg)",
                         "fetch the dataset again or remove the folder");
      }
      tracklets_.push_back({folder.identity, folder.camera, 0,
                            static_cast<int64_t>(pictures.size()), folder.folder.string()});
      pictures_.push_back(std::move(pictures));
    }
  }

  DatasetFacts facts() const override { return facts_; }
  const std::vector<TrackletDescription>& tracklets() const override { return tracklets_; }
  Image read_frame(size_t tracklet, int64_t frame) const override {
    return read_picture(pictures_[tracklet][static_cast<size_t>(frame)]);
  }
  std::vector<Joint> read_joints(size_t tracklet) const override {
    const fs::path path = joints_file(tracklet);
    std::error_code ignored;
    if (!fs::exists(path, ignored)) return {};
    return parse_joints(path, pictures_[tracklet].size());
  }
  std::vector<fs::path> sources() const override {
    std::vector<fs::path> files;
    std::error_code ignored;
    for (size_t i = 0; i < pictures_.size(); ++i) {
      files.insert(files.end(), pictures_[i].begin(), pictures_[i].end());
      if (fs::exists(joints_file(i), ignored)) files.push_back(joints_file(i));
    }
    std::sort(files.begin(), files.end());
    return files;
  }

 private:
  fs::path joints_file(size_t tracklet) const {
    return root_ / "joints" / (tracklets_[tracklet].name + ".csv");
  }
  void read_synthetic_mark() {
    const fs::path mark = root_ / "muster-synthetic.json";
    std::error_code ignored;
    if (!fs::exists(mark, ignored)) return;
    try {
      const auto value = nlohmann::json::parse(common::read_file(mark));
      facts_.synthetic = value.at("synthetic").get<bool>();
      facts_.origin = "synthetic world '" + value.at("world").get<std::string>() +
                      "', rendered by muster synth with seed " +
                      std::to_string(value.at("seed").get<uint64_t>());
    } catch (const nlohmann::json::exception& failure) {
      throw InputError(mark.string(), std::string("is damaged: ") + failure.what(),
                       "render the world again");
    }
  }

  fs::path root_;
  DatasetFacts facts_;
  std::vector<TrackletDescription> tracklets_;
  std::vector<std::vector<fs::path>> pictures_;
};

}  // namespace

std::unique_ptr<DatasetReader> read_sequence_folders(const fs::path& root,
                                                     const std::string& layout,
                                                     std::vector<SequenceFolder> folders) {
  if (folders.empty()) {
    throw InputError(root.string(), "holds no person folders of the " + layout + " layout",
                     "see docs/guides/datasets.md for what belongs where");
  }
  std::sort(folders.begin(), folders.end(), [](const auto& a, const auto& b) {
    return std::tie(a.identity, a.camera, a.folder) < std::tie(b.identity, b.camera, b.folder);
  });
  return std::make_unique<SequenceFoldersReader>(root, layout, folders);
}

std::vector<fs::path> sorted_folders(const fs::path& directory) {
  std::error_code failure;
  if (!fs::is_directory(directory, failure)) {
    throw InputError(directory.string(), "no such directory",
                     "see docs/guides/datasets.md for what belongs where");
  }
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.is_directory()) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

int32_t trailing_number(const std::string& name) {
  size_t begin = name.size();
  while (begin > 0 && std::isdigit(static_cast<unsigned char>(name[begin - 1])) != 0) --begin;
  if (begin == name.size() || name.size() - begin > 9) return -1;
  return std::stoi(name.substr(begin));
}

}  // namespace muster::datastore
