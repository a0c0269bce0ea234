#include "benchmarks/store/mars_scale.h"

#include <cstdio>
#include <vector>

#include "benchmarks/store/scratch.h"
#include "datastore/synthetic/matlab_file.h"

namespace muster::benchmarks {
namespace fs = std::filesystem;

namespace {

constexpr int kCameras = 6;

// One folder of a part: how many tracklets it has.
struct Label {
  int identity;  // 0 distractors, -1 junk
  int tracklets;
};

// `tracklets` shared as evenly as whole numbers allow.
std::vector<Label> people(int first, int count, int tracklets) {
  std::vector<Label> labels;
  for (int i = 0; i < count; ++i) {
    labels.push_back({first + i, (i + 1) * tracklets / count - i * tracklets / count});
  }
  return labels;
}

// Writes the folders of a part; returns its table: first frame, last frame, identity, camera.
std::vector<int32_t> write_part(const fs::path& folder, const std::vector<Label>& labels,
                                int64_t frames, LinkedPictures& pictures) {
  int64_t tracklets = 0, written = 0, tracklet = 0;
  for (const Label& label : labels) tracklets += label.tracklets;
  std::vector<int32_t> table;
  for (const Label& label : labels) {
    char name[32];
    std::snprintf(name, sizeof(name), label.identity < 0 ? "00-1" : "%04d", label.identity);
    const std::string identity = name;
    fs::create_directories(folder / identity);
    // Names sort by camera, then tracklet.
    for (int camera = 1; camera <= kCameras; ++camera) {
      for (int number = camera; number <= label.tracklets; number += kCameras) {
        ++tracklet;
        const int64_t last = tracklet * frames / tracklets;
        table.insert(table.end(), {static_cast<int32_t>(written + 1), static_cast<int32_t>(last),
                                   label.identity, camera});
        for (int frame = 1; written < last; ++written, ++frame) {
          std::snprintf(name, sizeof(name), "C%dT%04dF%03d.jpg", camera, number / kCameras + 1,
                        frame);
          pictures.link(folder / identity / (identity + name));
        }
      }
    }
  }
  return table;
}

}  // namespace

void write_mars_scale_dataset(const fs::path& root) {
  LinkedPictures pictures(root / "originals", 24, 12, 4000);  // some disks end at 65,000 links
  const std::vector<int32_t> train =
      write_part(root / "bbox_train", people(1, 625, 8298), 509914, pictures);
  std::vector<Label> tested = {{-1, 870}, {0, 3248}};
  for (const Label& label : people(700, 634, 12180 - 870 - 3248)) tested.push_back(label);
  const std::vector<int32_t> test = write_part(root / "bbox_test", tested, 681089, pictures);
  std::vector<int32_t> queries;
  for (int32_t row = 870 + 3248 + 1; queries.size() < 1980; row += 4) queries.push_back(row);
  fs::create_directories(root / "info");
  const auto write = [&](const char* file, const char* variable, const std::vector<int32_t>& values,
                         size_t columns) {
    datastore::write_matlab_matrix(root / "info" / file, variable, values.size() / columns, columns,
                                   values);
  };
  write("tracks_train_info.mat", "track_train_info", train, 4);
  write("tracks_test_info.mat", "track_test_info", test, 4);
  write("query_IDX.mat", "query_IDX", queries, queries.size());
}

}  // namespace muster::benchmarks
