// A dataset as its publisher laid it out: tracklets of frames. One implementation per layout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "datastore/image.h"
#include "datastore/tracklet_role.h"

namespace muster::datastore {

struct TrackletDescription {
  int32_t identity = 0;  // as the dataset numbers it; 0 distractor, -1 junk where it has them
  int16_t camera = 0;    // 1-based
  int32_t sequence = 0;  // tells tracklets of the same identity and camera apart
  int64_t frames = 0;
  std::string name;          // for people and errors: "cam_a/person_0001"
  int32_t role = kRoleNone;  // Role bits, where the dataset fixes who trains and who tests
};

// What the dataset is, kept in the store's manifest.
struct DatasetFacts {
  std::string layout;
  bool synthetic = false;  // rendered by `muster synth`
  std::string origin;      // one sentence for reports
  // The dataset's own random halves: per split, the identities that test; all others of
  // `split_identities` train. Both empty where it comes with none.
  std::vector<std::vector<int32_t>> test_identities;
  std::vector<int32_t> split_identities;  // ascending
};

// What to do about things that cannot be read: end with the first, or leave them out and list them.
enum class OnError { kFail, kSkip };

// Something of the dataset that the store does not have.
struct LeftOut {
  std::string name, reason;
};

// All members may be called from several threads at once.
class DatasetReader {
 public:
  virtual ~DatasetReader() = default;
  virtual DatasetFacts facts() const = 0;
  // In an order that depends on the dataset alone.
  virtual const std::vector<TrackletDescription>& tracklets() const = 0;
  // Throws InputError naming the file if a frame cannot be decoded.
  virtual SourceFrame read_frame(size_t tracklet, int64_t frame) const = 0;
  // Empty, or kJointCount joints per frame in order: [frames * kJointCount].
  virtual std::vector<Joint> read_joints(size_t tracklet) const = 0;
  // Files that the content came from, in an order that depends on the dataset alone; their names
  // and hashes identify the store.
  virtual size_t source_count() const = 0;
  virtual std::filesystem::path source(size_t index) const = 0;
  // What opening the dataset passed over because it was asked to skip; in a fixed order.
  virtual const std::vector<LeftOut>& left_out() const = 0;
};

}  // namespace muster::datastore
