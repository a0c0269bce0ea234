#include "datastore/mot_reader.h"

#include <algorithm>
#include <boost/property_tree/ini_parser.hpp>
#include <boost/property_tree/ptree.hpp>
#include <optional>
#include <string>
#include <vector>

#include "common/error.h"
#include "datastore/footage.h"
#include "datastore/picture_dataset.h"
#include "datastore/table_file.h"

namespace muster::datastore {
namespace fs = std::filesystem;
using common::InputError;

namespace {

constexpr int64_t kMostFrames = 1'000'000;  // of a sequence; numbers beyond are no frame numbers

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

struct SequenceInfo {
  int64_t frames = 0;  // 0: not said
  std::string pictures = "img1";
};

SequenceInfo read_sequence_info(const fs::path& file) {
  SequenceInfo info;
  if (!is_there(file)) return info;
  try {
    boost::property_tree::ptree tree;
    boost::property_tree::read_ini(file.string(), tree);
    const auto frames = tree.get<std::string>("Sequence.seqLength", "0");
    const std::optional<int32_t> count = whole_number_in(frames);
    if (!count || *count < 0 || *count > kMostFrames) {
      throw InputError(file.string(), "seqLength is '" + frames + "'", "mend or remove it");
    }
    info.frames = *count;
    info.pictures = tree.get<std::string>("Sequence.imDir", info.pictures);
  } catch (const boost::property_tree::ini_parser_error& failure) {
    throw InputError(file.string(),
                     "line " + std::to_string(failure.line()) + ": " + failure.message(),
                     "mend or remove it");
  }
  return info;
}

// Nothing needs it: one that cannot be read is a fault of its own.
SequenceInfo usable_sequence_info(const fs::path& file, FaultList& faults) {
  try {
    return read_sequence_info(file);
  } catch (const InputError& failure) {
    faults.leave_out(file.string(), failure);
    return {};
  }
}

// One path per frame, by the number that its name ends in.
std::vector<fs::path> numbered_pictures(const fs::path& folder) {
  std::vector<fs::path> pictures;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const fs::path& path = entry.path();
    if (!is_picture_name(path.filename().string())) continue;
    const int64_t number = trailing_number(path.stem().string());
    if (number < 1 || number > kMostFrames) {
      throw InputError(path.string(), "does not end in a frame number from 1 on",
                       "rename or remove it");
    }
    if (pictures.size() < static_cast<size_t>(number)) pictures.resize(static_cast<size_t>(number));
    fs::path& place = pictures[static_cast<size_t>(number) - 1];
    if (!place.empty()) {
      throw InputError(folder.string(),
                       "holds frame " + std::to_string(number) + " twice: '" +
                           std::min(place, path).filename().string() + "' and '" +
                           std::max(place, path).filename().string() + "'",
                       "remove one of them");
    }
    place = path;
  }
  return pictures;
}

std::vector<fs::path> videos_in(const fs::path& folder) {
  std::vector<fs::path> videos;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (is_video_name(entry.path().filename().string())) videos.push_back(entry.path());
  }
  std::sort(videos.begin(), videos.end());
  return videos;
}

bool looks_like_sequence(const fs::path& folder) {
  return is_there(folder / "gt") || is_there(folder / "det") || is_there(folder / "img1") ||
         is_there(folder / "seqinfo.ini");
}

Film sequence_in(const fs::path& folder, const std::string& name, FaultList& faults,
                 const VideoOptions& options) {
  Film film;
  film.name = name;
  film.place.max_frames = options.max_frames;
  const fs::path truth = folder / "gt" / "gt.txt", detections = folder / "det" / "det.txt";
  film.origin = is_there(truth) ? BoxOrigin::kMotTruth : BoxOrigin::kMotDetections;
  film.box_file = is_there(truth) ? truth : detections;
  if (!is_there(film.box_file)) {
    throw InputError(folder.string(), "has neither gt/gt.txt nor det/det.txt",
                     "ingest its video with --layout video to have people detected");
  }
  const SequenceInfo info = usable_sequence_info(folder / "seqinfo.ini", faults);
  if (is_there(folder / "seqinfo.ini")) film.others.push_back(folder / "seqinfo.ini");
  if (is_there(folder / info.pictures)) {
    film.place.pictures = numbered_pictures(folder / info.pictures);
    film.place.promised_frames = info.frames;
  }
  if (!film.place.pictures.empty()) return film;
  const std::vector<fs::path> videos = videos_in(folder);
  if (videos.size() != 1) {
    throw InputError(folder.string(),
                     "has no pictures in " + info.pictures + "/ and " +
                         (videos.empty() ? "no video" : "several videos"),
                     "put its frames or one video there");
  }
  film.place.video = videos.front();
  return film;
}

}  // namespace

std::unique_ptr<DatasetReader> open_mot(const fs::path& input, const VideoOptions& options,
                                        common::ProgressSink& progress) {
  Footage footage;
  footage.layout = "mot";
  // Without a slash at the end: a sequence is called as its folder.
  const fs::path root = (fs::absolute(input) / "").lexically_normal().parent_path();
  if (looks_like_sequence(root)) {
    footage.root = root.parent_path();
    FaultList faults(options.on_error, footage.root);
    footage.films.push_back(sequence_in(root, root.filename().string(), faults, options));
    return open_footage(footage, faults, options, progress);
  }
  footage.root = root;
  FaultList faults(options.on_error, root);
  for (const fs::path& folder : sorted_folders(root)) {
    const std::string name = folder.filename().string();
    if (name.front() == '.') continue;
    try {
      footage.films.push_back(sequence_in(folder, name, faults, options));
    } catch (const InputError& failure) {
      if (options.on_error == OnError::kFail) throw;
      footage.films.emplace_back().name = name;
      footage.films.back().fault = failure;
    }
  }
  if (footage.films.empty()) {
    throw InputError(root.string(), "holds no sequence",
                     "a sequence has img1/ or a video, and gt/gt.txt or det/det.txt");
  }
  if (is_there(root / "identities.csv")) footage.identities_file = root / "identities.csv";
  return open_footage(footage, faults, options, progress);
}

}  // namespace muster::datastore
