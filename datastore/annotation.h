// Joints that were found after a store was published, for example by a pose network. They lie in
// shards of their own beside it (docs/formats/store.md): STORE/annotations/NAME/, one file per
// shard of the store with the same rows. TrackletStore hands them out; annotation_writer.h writes
// them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "datastore/image.h"
#include "datastore/manifest.h"

namespace muster::datastore {

// Folders, in the order of the alphabet; none if there are no annotations.
std::vector<std::string> annotation_names(const std::filesystem::path& store);

// Const members may be called from several threads.
class JointAnnotation {
 public:
  // Reads every byte once against its checksum. Throws InputError naming the annotation or its file
  // if it is missing, damaged, of another format version or of another store: `shards` are those of
  // the store's manifest. Whether the joints are finite, TrackletStore looks.
  JointAnnotation(const std::filesystem::path& store, const std::vector<ShardRecord>& shards,
                  const std::string& name);
  ~JointAnnotation();
  const std::string& origin() const;
  // The rows first + frames[i] of that shard, [frames, kJointCount].
  void read_joints_into(size_t shard, int64_t first, const std::vector<int32_t>& frames,
                        Joint* joints) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// What one annotation says of itself; `fault` is empty when its index can be read, belongs to
// the store, and its files are there with the right sizes. Does not read the joints.
struct AnnotationSummary {
  std::string name, origin, fault;
};
std::vector<AnnotationSummary> annotation_summaries(const std::filesystem::path& store,
                                                    const std::vector<ShardRecord>& shards);

// One line per fault of any annotation, every byte read; empty when all is whole.
std::vector<std::string> verify_annotations(const std::filesystem::path& store,
                                            const std::vector<ShardRecord>& shards);

}  // namespace muster::datastore
