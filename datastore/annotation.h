// Joints that were found after a store was published, for example by a pose network. They lie in
// shards of their own beside it (docs/formats/store.md): STORE/annotations/NAME/, one file per
// shard of the store with the same rows. A published shard is never edited.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/progress_sink.h"
#include "datastore/tracklet_store.h"

namespace muster::datastore {

// kJointCount joints of one frame, in pixels of the stored frame.
using JointsOfFrame = std::function<std::vector<Joint>(const StoredTracklet&, int64_t frame)>;

// Writes aside, then renames the whole folder. `origin` is one sentence: who found them, with what.
// Throws InputError if the name is empty, begins with a dot, has a slash or is taken; SystemError
// if the disk fails. One thread; calls `joints_of` in the store's order.
void write_joint_annotation(const TrackletStore& store, const std::string& name,
                            const std::string& origin, const JointsOfFrame& joints_of,
                            common::ProgressSink& progress);

// Names in the order of the alphabet; none if there are no annotations.
std::vector<std::string> annotation_names(const std::filesystem::path& store);

// Const members may be called from several threads.
class JointAnnotation {
 public:
  // Reads every byte once against its checksum. Throws InputError naming the annotation if it is
  // missing, damaged, of another format version or of another store.
  JointAnnotation(const TrackletStore& store, const std::string& name);
  ~JointAnnotation();
  const std::string& origin() const;
  std::vector<Joint> read_joints(const StoredTracklet& tracklet, int64_t frame) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// One line per fault of any annotation of the store; empty when all is whole.
std::vector<std::string> verify_annotations(const std::filesystem::path& store);

}  // namespace muster::datastore
