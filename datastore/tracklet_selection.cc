#include "datastore/tracklet_selection.h"

#include "datastore/ordered_parallel.h"
#include "datastore/tracklet_encoder.h"

namespace muster::datastore {

TrackletSelection select_tracklets(const DatasetReader& dataset, const IngestOptions& options,
                                   common::ProgressSink& progress) {
  const size_t count = dataset.tracklets().size();
  TrackletSelection selection;
  selection.left_out = dataset.left_out();
  if (options.on_error == OnError::kFail) {
    for (size_t i = 0; i < count; ++i) selection.tracklets.push_back(i);
    return selection;
  }
  progress.begin("checking pictures", "tracklets", static_cast<int64_t>(count));
  bool has_joints = false;  // as the first that can be read
  ordered_parallel(
      count, options.jobs, [&](size_t i) { return look_at_tracklet(dataset, i); },
      [&](size_t i, TrackletLook look) {
        if (look.fault.empty() && selection.tracklets.empty()) has_joints = look.has_joints;
        if (look.fault.empty() && look.has_joints != has_joints) {
          look.fault = has_joints ? "has no joints although others have them"
                                  : "has joints although others have none";
        }
        if (look.fault.empty()) {
          selection.tracklets.push_back(i);
        } else {
          selection.left_out.push_back({dataset.tracklets()[i].name, look.fault});
        }
        progress.advance(static_cast<int64_t>(i) + 1);
      });
  progress.end();
  for (const LeftOut& thing : selection.left_out) {
    progress.note("left out " + thing.name + ": " + thing.reason);
  }
  return selection;
}

}  // namespace muster::datastore
