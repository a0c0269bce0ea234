#include "trainer/joint_annotation.h"

#include <ATen/ATen.h>

#include <numeric>

#include "common/error.h"
#include "common/sha256.h"
#include "datastore/annotation.h"
#include "datastore/annotation_writer.h"
#include "datastore/clip_loader.h"
#include "datastore/resample.h"
#include "models/model_catalog.h"
#include "trainer/clip_tensors.h"
#include "trainer/feature_extraction.h"
#include "trainer/input_recipe.h"
#include "trainer/rank_tensors.h"

namespace muster::trainer {
namespace {

using datastore::Joint;
using datastore::StoredTracklet;
using datastore::TrackletStore;

// As many frames as pass through the network together.
constexpr int32_t kFramesAtOnce = 16;

std::unique_ptr<models::Model> joint_finder(const FinishedRun& run) {
  const std::string network = models::model_entry(run.experiment.model()).name;
  auto model = load_model(run);
  if (model->input_format().learns_joints) return model;
  throw common::InputError("network " + network, "finds no joints",
                           "train pose_network, and name its run");
}

// Frames are all that it sees: not the joints that a training wants.
datastore::ClipFormat frame_format(const models::Model& model, const proto::Input& settings) {
  datastore::ClipFormat format = clip_format(model.input_format(), settings);
  format.joints = false;
  return format;
}

// The joints of one frame after the other; frames are asked for in order.
class JointFinder {
 public:
  JointFinder(const FinishedRun& run, const TrackletStore& store)
      : model_(joint_finder(run)),
        format_(frame_format(*model_, run.experiment.model().input())),
        store_(store),
        window_{(format_.resize_height - format_.crop_height) / 2,
                (format_.resize_width - format_.crop_width) / 2, false},
        communicator_(create_single_communicator()),
        statistics_(*communicator_) {
    datastore::require_readable(store, format_);
  }

  std::vector<Joint> joints_of(const StoredTracklet& tracklet, int64_t frame) {
    const int64_t place = frame % kFramesAtOnce;
    if (place == 0) look_at(tracklet, static_cast<int32_t>(frame));
    const auto first = found_.begin() + place * datastore::kJointCount;
    return {first, first + datastore::kJointCount};
  }

 private:
  // Fills found_ with the joints of up to kFramesAtOnce frames from `first` on.
  void look_at(const StoredTracklet& tracklet, int32_t first) {
    const at::NoGradGuard no_gradients;
    std::vector<int32_t> frames(
        static_cast<size_t>(std::min(kFramesAtOnce, tracklet.length - first)));
    std::iota(frames.begin(), frames.end(), first);
    const datastore::StoredClip clip =
        datastore::read_clip(store_, tracklet, frames, format_.flow, false);
    std::vector<float> values(frames.size() * static_cast<size_t>(format_.channels()) *
                              format_.crop_height * format_.crop_width);
    datastore::cut_windows(clip.view(), format_, {}, {window_}, values.data());
    models::ForwardContext context;
    context.statistics = &statistics_;
    const models::ModelInput input =
        model_input(values, 1, static_cast<int64_t>(frames.size()), format_, at::kFloat);
    const at::Tensor joints = model_->forward(input, context).signature.at("joints").contiguous();
    MUSTER_REQUIRE(joints.numel(), ==,
                   static_cast<int64_t>(frames.size()) * datastore::kJointCount * 3);
    found_.clear();
    const float* numbers = joints.data_ptr<float>();
    for (int64_t i = 0; i < joints.numel(); i += 3) {
      found_.push_back(
          {in_frame(numbers[i], window_.crop_x, format_.resize_width, clip.width),
           in_frame(numbers[i + 1], window_.crop_y, format_.resize_height, clip.height),
           numbers[i + 2]});
    }
  }

  // A place in the window as a place in the stored frame.
  static float in_frame(float place, int32_t corner, int resized, int stored) {
    return datastore::resized_place(place + static_cast<float>(corner), resized, stored);
  }

  const std::unique_ptr<models::Model> model_;
  const datastore::ClipFormat format_;
  const TrackletStore& store_;
  const datastore::ClipWindow window_;
  const std::unique_ptr<Communicator> communicator_;
  CommunicatorStatisticsExchange statistics_;
  std::vector<Joint> found_;  // of the frames in work
};

// The same weights always say the same of themselves.
std::string origin_of(const FinishedRun& run) {
  return "found by " + models::model_entry(run.experiment.model()).name + ", trained " +
         std::to_string(run.step) + " steps on " + run.facts.train_store +
         (run.facts.synthetic ? " (synthetic)" : "") + ", weights SHA-256 " +
         common::sha256_of_file(run.weights);
}

// Whether the store has it already. Throws if the name is taken by another.
bool already_annotated(const AnnotationRequest& request, const TrackletStore& store,
                       const std::string& origin) {
  for (const datastore::AnnotationSummary& summary :
       datastore::annotation_summaries(store.directory(), store.manifest().shards)) {
    if (summary.name != request.name) continue;
    if (summary.fault.empty() && summary.origin == origin) return true;
    if (request.replace) return false;
    const std::string what =
        summary.fault.empty() ? "is there with joints " + summary.origin : summary.fault;
    throw common::InputError("annotation " + request.name + " of " + store.directory().string(),
                             what, "choose another --name, or --replace it");
  }
  return false;
}

}  // namespace

AnnotationReport annotate_store(const AnnotationRequest& request, common::ProgressSink& progress) {
  const TrackletStore store(request.store_directory);
  AnnotationReport report;
  report.frames = store.manifest().frames;
  report.origin = origin_of(request.run);
  JointFinder finder(request.run, store);
  if (already_annotated(request, store, report.origin)) {
    progress.note(store.directory().string() + ": annotation " + request.name +
                  " is there, by these weights");
    return report;
  }
  datastore::write_joint_annotation(
      store, request.name, report.origin,
      [&](const StoredTracklet& tracklet, int64_t frame) {
        return finder.joints_of(tracklet, frame);
      },
      progress, request.replace ? datastore::TakenName::kReplace : datastore::TakenName::kRefuse);
  report.written = true;
  return report;
}

}  // namespace muster::trainer
