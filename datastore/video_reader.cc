#include "datastore/video_reader.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "common/error.h"
#include "datastore/footage.h"

namespace muster::datastore {
namespace fs = std::filesystem;

namespace {

constexpr const char* kBoxEnding = ".boxes.csv";

Film film_of(const fs::path& video, const VideoOptions& options) {
  Film film;
  film.name = video.filename().string();
  film.place.video = video;
  film.place.max_frames = options.max_frames;
  const fs::path boxes = video.parent_path() / (video.stem().string() + kBoxEnding);
  std::error_code ignored;
  if (fs::exists(boxes, ignored)) {
    film.origin = BoxOrigin::kBoxFile;
    film.box_file = boxes;
  }
  return film;
}

// A file of boxes whose video has another name would go unnoticed, and its people be detected.
void require_owners(const std::vector<Film>& films, const std::vector<fs::path>& box_files,
                    FaultList& faults) {
  std::set<fs::path> owned;
  for (const Film& film : films) owned.insert(film.box_file);
  for (const fs::path& file : box_files) {
    if (owned.count(file) > 0) continue;
    faults.leave_out(file.string(), "belongs to no video", "call it as its video, or remove it");
  }
}

}  // namespace

std::unique_ptr<DatasetReader> open_video(const fs::path& input, const VideoOptions& options,
                                          common::ProgressSink& progress) {
  Footage footage;
  footage.layout = "video";
  std::error_code ignored;
  if (!fs::is_directory(input, ignored)) {
    if (!fs::is_regular_file(input, ignored)) {
      throw common::InputError(input.string(), "no such file",
                               "--input takes a video file or a folder of them");
    }
    footage.root = input.parent_path();
    const FaultList faults(options.on_error, footage.root);
    footage.films.push_back(film_of(input, options));
    return open_footage(footage, faults, options, progress);
  }
  footage.root = input;
  FaultList faults(options.on_error, input);
  std::vector<fs::path> videos, box_files;
  for (const auto& entry : fs::directory_iterator(input)) {
    const std::string name = entry.path().filename().string();
    if (is_video_name(name)) videos.push_back(entry.path());
    const size_t ending = name.rfind(kBoxEnding);
    if (ending != std::string::npos && ending + std::string(kBoxEnding).size() == name.size()) {
      box_files.push_back(entry.path());
    }
    if (name == "identities.csv") footage.identities_file = entry.path();
  }
  if (videos.empty()) {
    throw common::InputError(input.string(), "holds no video (*.avi, *.mp4, *.mkv, ...)",
                             "--input takes a video file or a folder of them");
  }
  std::sort(videos.begin(), videos.end());
  std::sort(box_files.begin(), box_files.end());
  for (const fs::path& video : videos) footage.films.push_back(film_of(video, options));
  require_owners(footage.films, box_files, faults);
  return open_footage(footage, faults, options, progress);
}

}  // namespace muster::datastore
