// A dataset as its publisher laid it out: tracklets of frames. One implementation per layout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "datastore/image.h"

namespace muster::datastore {

struct TrackletDescription {
  int32_t identity = 0;  // as the dataset numbers it; 0 distractor, -1 junk where it has them
  int16_t camera = 0;    // 1-based
  int32_t sequence = 0;  // tells tracklets of the same identity and camera apart
  int64_t frames = 0;
  std::string name;  // for people and errors: "cam_a/person_0001"
};

// What the dataset is, kept in the store's manifest.
struct DatasetFacts {
  std::string layout;
  bool synthetic = false;  // rendered by `muster synth`
  std::string origin;      // one sentence for reports
};

// All members may be called from several threads at once.
class DatasetReader {
 public:
  virtual ~DatasetReader() = default;
  virtual DatasetFacts facts() const = 0;
  // In an order that depends on the dataset alone.
  virtual const std::vector<TrackletDescription>& tracklets() const = 0;
  // Throws InputError naming the file if a frame cannot be decoded.
  virtual Image read_frame(size_t tracklet, int64_t frame) const = 0;
  // Empty, or kJointCount joints per frame in order: [frames * kJointCount].
  virtual std::vector<Joint> read_joints(size_t tracklet) const = 0;
  // Files that the content came from, sorted; their hashes identify the store.
  virtual std::vector<std::filesystem::path> sources() const = 0;
};

}  // namespace muster::datastore
