#include "datastore/synthetic/world_lists.h"

#include <map>
#include <nlohmann/json.hpp>

#include "common/atomic_file.h"
#include "datastore/synthetic/matlab_file.h"
#include "datastore/synthetic/random_streams.h"
#include "datastore/synthetic/tracklet_files.h"
#include "datastore/two_camera_facts.h"

namespace muster::datastore {
namespace {

constexpr int kFormatVersion = 1;

// One of the two halves of the MARS layout as its own files list it.
struct MarsPart {
  std::string names;               // one frame a line
  std::vector<int32_t> tracklets;  // rows of first frame, last frame, identity, camera
  size_t rows() const { return tracklets.size() / 4; }
};

MarsPart mars_part(const std::vector<TrackletPlan>& plans, const std::string& folder) {
  MarsPart part;
  int32_t frames = 0;
  for (const TrackletPlan& plan : plans) {
    if (plan.folder.compare(0, folder.size(), folder) != 0) continue;
    const int32_t first = frames + 1;
    for (const std::string& name : plan.frame_names) part.names += name + "\n", ++frames;
    part.tracklets.insert(part.tracklets.end(), {first, frames, plan.identity, plan.camera});
  }
  return part;
}

// One tracklet per identity and camera, of identities that two cameras or more saw.
std::vector<int32_t> mars_queries(const MarsPart& test, uint64_t seed) {
  std::map<int32_t, std::map<int32_t, std::vector<int32_t>>> rows_of;  // identity, camera
  for (size_t row = 0; row < test.rows(); ++row) {
    const int32_t identity = test.tracklets[4 * row + 2], camera = test.tracklets[4 * row + 3];
    if (identity > 0) rows_of[identity][camera].push_back(static_cast<int32_t>(row) + 1);
  }
  auto random = random_stream(seed, 0, 0, 2, Purpose::kPlan);
  std::vector<int32_t> queries;
  for (const auto& [identity, cameras] : rows_of) {
    if (cameras.size() < 2) continue;
    for (const auto& [camera, rows] : cameras) queries.push_back(rows[random.below(rows.size())]);
  }
  return queries;
}

// A row per split, each the numbers 1 .. people in random order.
std::vector<int32_t> random_orders(int people, uint64_t seed) {
  auto random = random_stream(seed, 0, 0, 3, Purpose::kPlan);
  std::vector<int32_t> table;
  for (int split = 0; split < kOfficialSplits; ++split) {
    std::vector<int32_t> order;
    for (int32_t person = 1; person <= people; ++person) order.push_back(person);
    random.shuffle(order);
    table.insert(table.end(), order.begin(), order.end());
  }
  return table;
}

}  // namespace

void write_mars_info(const std::filesystem::path& root, const std::vector<TrackletPlan>& plans,
                     uint64_t seed) {
  const std::filesystem::path info = root / "info";
  common::make_directories(info);
  const MarsPart train = mars_part(plans, "bbox_train"), test = mars_part(plans, "bbox_test");
  write_bytes(info / "train_name.txt", train.names);
  write_bytes(info / "test_name.txt", test.names);
  write_matlab_matrix(info / "tracks_train_info.mat", "track_train_info", train.rows(), 4,
                      train.tracklets);
  write_matlab_matrix(info / "tracks_test_info.mat", "track_test_info", test.rows(), 4,
                      test.tracklets);
  const std::vector<int32_t> queries = mars_queries(test, seed);
  write_matlab_matrix(info / "query_IDX.mat", "query_IDX", 1, queries.size(), queries);
}

void write_ilids_splits(const std::filesystem::path& root, int identities, uint64_t seed) {
  const std::filesystem::path folder = root / "train-test people splits";
  common::make_directories(folder);
  write_matlab_matrix(folder / "train_test_splits_ilidsvid.mat", "ls_set", kOfficialSplits,
                      static_cast<size_t>(identities), random_orders(identities, seed));
}

void write_prid_splits(const std::filesystem::path& root, const std::vector<TrackletPlan>& plans,
                       uint64_t seed) {
  std::map<int, std::pair<int, int>> cameras;  // of a person: all, with enough frames
  for (const TrackletPlan& plan : plans) {
    ++cameras[plan.identity].first;
    if (plan.frame_names.size() >= size_t{kPridFewestFrames}) ++cameras[plan.identity].second;
  }
  std::vector<std::string> names;
  size_t common = 0;
  for (const auto& [identity, count] : cameras) {
    if (identity > kPridCommonPersons) continue;
    ++common;
    if (count.second == 2) names.push_back(numbered("person_%04d", identity));
  }
  if (names.size() < 2 || 2 * names.size() < common) return;
  const std::vector<int32_t> table = random_orders(static_cast<int>(names.size()), seed);
  write_matlab_matrix(root / "train_test_splits_prid.mat", "ls_set", kOfficialSplits, names.size(),
                      table);
  nlohmann::json splits = nlohmann::json::array();
  for (int split = 0; split < kOfficialSplits; ++split) {
    nlohmann::json lists[2] = {nlohmann::json::array(), nlohmann::json::array()};
    for (size_t place = 0; place < names.size(); ++place) {
      const auto person =
          static_cast<size_t>(table[static_cast<size_t>(split) * names.size() + place]) - 1;
      lists[place < names.size() / 2 ? 0 : 1].push_back(names[person]);
    }
    splits.push_back({{"test", lists[0]}, {"train", lists[1]}});
  }
  write_bytes(root / "splits_prid2011.json", splits.dump(1) + "\n");
}

void write_world_note(const std::filesystem::path& root, const WorldTraits& world,
                      const PlanRequest& request, int64_t tracklets, int64_t pictures) {
  std::string text = "{\n  \"synthetic\": true,\n";
  text += "  \"world\": \"" + world.name + "\",\n";
  text += "  \"seed\": " + std::to_string(request.seed) + ",\n";
  text += "  \"identities\": " + std::to_string(request.identities) + ",\n";
  text += "  \"frames\": " + std::to_string(request.frames) + ",\n";
  text += "  \"tracklets\": " + std::to_string(tracklets) + ",\n";
  text += "  \"pictures\": " + std::to_string(pictures) + ",\n";
  text += "  \"version\": " + std::to_string(kFormatVersion) + ",\n";
  text +=
      "  \"note\": \"Rendered by muster synth, not filmed: no real person appears, and results "
      "on it cannot be compared with published ones.\"\n}\n";
  write_bytes(root / "muster-synthetic.json", text);
}

}  // namespace muster::datastore
