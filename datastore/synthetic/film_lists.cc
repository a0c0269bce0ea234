#include "datastore/synthetic/film_lists.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "common/atomic_file.h"
#include "datastore/synthetic/random_streams.h"
#include "datastore/synthetic/tracklet_files.h"

namespace muster::datastore {
namespace fs = std::filesystem;

namespace {

bool is_mot(const WorldTraits& world) { return world.name == "mot"; }

std::string file_name(const WorldTraits& world, const FilmPlan& plan) {
  return is_mot(world) ? plan.name : plan.name + ".avi";
}

// Boxes that are annotated, track by track, as publishers sort them.
std::vector<WalkBox> annotated_by_track(const FilmPlan& plan, const std::vector<WalkBox>& boxes) {
  std::vector<WalkBox> annotated;
  for (const WalkBox& box : boxes) {
    const FilmWalk& walk = plan.walks[box.walk];
    if (walk.is_annotated(box.frame - walk.first_frame)) annotated.push_back(box);
  }
  std::stable_sort(annotated.begin(), annotated.end(),
                   [](const WalkBox& a, const WalkBox& b) { return a.walk < b.walk; });
  return annotated;
}

// Frames and pixels count from 1. Somebody in a shop window (class 7) stands in every frame.
std::string mot_truth(const WorldTraits& world, const FilmPlan& plan,
                      const std::vector<WalkBox>& boxes) {
  std::string text;
  for (const WalkBox& box : annotated_by_track(plan, boxes)) {
    const long left = std::lround(box.box.x), top = std::lround(box.box.y);
    text += numbered("%d,%d,%ld,%ld,%ld,%ld,1,1,1\n", box.frame + 1, plan.walks[box.walk].track,
                     left + 1, top + 1, std::lround(box.box.x + box.box.width) - left,
                     std::lround(box.box.y + box.box.height) - top);
  }
  for (int frame = 1; frame <= plan.frames; ++frame) {
    text += numbered("%d,%d,%d,%d,%d,%d,%d,7,1\n", frame, static_cast<int>(plan.walks.size()) + 1,
                     world.frame_width / 2, world.frame_height / 8, world.frame_width / 16,
                     world.frame_height / 5, frame % 2);
  }
  return text;
}

std::string mot_detections(uint64_t seed, const FilmPlan& plan, const std::vector<WalkBox>& boxes) {
  std::string text;
  for (const WalkBox& box : boxes) {
    auto random =
        random_stream(seed, plan.walks[box.walk].person_key, static_cast<uint64_t>(plan.camera),
                      static_cast<uint64_t>(box.frame), Purpose::kBoxes);
    const auto off = [&] { return random.uniform(-0.6, 0.6); };
    const double left = box.box.x + 1 + off(), top = box.box.y + 1 + off();
    const double width = box.box.width + off(), height = box.box.height + off();
    text += numbered("%d,-1,%.2f,%.2f,%.2f,%.2f,%.3f,-1,-1,-1\n", box.frame + 1, left, top, width,
                     height, random.uniform(0.6, 1));
  }
  return text;
}

std::string box_table(const FilmPlan& plan, const std::vector<WalkBox>& boxes) {
  std::string text = "frame,track,left,top,width,height\n";
  for (const WalkBox& box : annotated_by_track(plan, boxes)) {
    text += numbered("%d,%d,%.1f,%.1f,%.1f,%.1f\n", box.frame + 1, plan.walks[box.walk].track,
                     box.box.x, box.box.y, box.box.width, box.box.height);
  }
  return text;
}

std::string sequence_info(const WorldTraits& world, const FilmPlan& plan) {
  return "[Sequence]\nname=" + plan.name +
         "\nimDir=img1\nframeRate=25\nseqLength=" + std::to_string(plan.frames) +
         "\nimWidth=" + std::to_string(world.frame_width) +
         "\nimHeight=" + std::to_string(world.frame_height) + "\nimExt=.jpg\n";
}

}  // namespace

fs::path film_place(const WorldTraits& world, const FilmPlan& plan) {
  if (!is_mot(world)) return file_name(world, plan);
  return fs::path(plan.name) / (plan.is_video ? plan.name + ".avi" : "img1");
}

void write_film_tables(const WorldTraits& world, uint64_t seed, const FilmPlan& plan,
                       const std::vector<WalkBox>& boxes, const fs::path& root) {
  if (!is_mot(world)) return write_bytes(root / (plan.name + ".boxes.csv"), box_table(plan, boxes));
  const fs::path folder = root / plan.name;
  common::make_directories(folder / "gt");
  common::make_directories(folder / "det");
  write_bytes(folder / "gt" / "gt.txt", mot_truth(world, plan, boxes));
  write_bytes(folder / "det" / "det.txt", mot_detections(seed, plan, boxes));
  write_bytes(folder / "seqinfo.ini", sequence_info(world, plan));
}

void write_film_identities(const WorldTraits& world, const std::vector<FilmPlan>& films,
                           const fs::path& root) {
  std::string text = "video,track,identity,camera\n";
  for (const FilmPlan& film : films) {
    for (const FilmWalk& walk : film.walks) {
      text +=
          file_name(world, film) + numbered(",%d,%d,%d\n", walk.track, walk.identity, film.camera);
    }
  }
  write_bytes(root / "identities.csv", text);
}

}  // namespace muster::datastore
