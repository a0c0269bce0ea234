#include "trainer/feature_extraction.h"

#include <ATen/ATen.h>

#include "common/error.h"
#include "common/sha256.h"
#include "common/version.h"
#include "datastore/clip_loader.h"
#include "datastore/ordered_parallel.h"
#include "datastore/protocol.h"
#include "models/model_catalog.h"
#include "models/safetensors.h"
#include "trainer/batch_settings.h"
#include "trainer/clip_tensors.h"
#include "trainer/input_recipe.h"
#include "trainer/rank_tensors.h"
#include "trainer/scoring.h"

namespace muster::trainer {
namespace {

using datastore::ClipFormat;
using datastore::ClipTransform;
using datastore::StoredTracklet;
using datastore::TrackletStore;

// The windows and flips every tracklet is seen through.
std::vector<ClipTransform> variants_of(const proto::Extraction& settings,
                                       const ClipFormat& format) {
  constexpr int kMaxCrops = 8;
  if (settings.crops() < 1 || settings.crops() > kMaxCrops) {
    throw common::InputError("extraction.crops",
                             std::to_string(settings.crops()) + " is not in 1 to 8");
  }
  if (settings.max_frames() < 1) {
    throw common::InputError("extraction.max_frames",
                             std::to_string(settings.max_frames()) + " is not positive");
  }
  std::vector<ClipTransform> variants;
  for (int crop = 1; crop <= settings.crops(); ++crop) {
    const auto offset = [&](int slack) {
      return settings.crops() == 1 ? slack / 2 : slack * crop / settings.crops();
    };
    ClipTransform transform;
    transform.crop_y = offset(format.resize_height - format.crop_height);
    transform.crop_x = offset(format.resize_width - format.crop_width);
    variants.push_back(transform);
    if (settings.flip()) {
      transform.flip = true;
      variants.push_back(transform);
    }
  }
  return variants;
}

// Which frames stand for a tracklet of that role: all of a short one.
std::vector<int32_t> test_frames(const proto::Extraction& settings, int length, int32_t role) {
  using datastore::FrameChoice;
  FrameChoice choice = FrameChoice::kFirst;
  switch (settings.frames()) {
    case proto::LAST_FRAMES:
      choice = FrameChoice::kLast;
      break;
    case proto::SPREAD_FRAMES:
      choice = FrameChoice::kEvenlySpaced;
      break;
    case proto::ALL_FRAMES:
      choice = FrameChoice::kAll;
      break;
    case proto::GALLERY_LAST_FRAMES:
      choice = (role & datastore::kRoleQuery) != 0 ? FrameChoice::kFirst : FrameChoice::kLast;
      break;
    default:
      break;
  }
  common::KeyedRandom no_chance(0);
  return datastore::choose_frames(choice, datastore::ShortTracklet::kShorterClip, length,
                                  settings.max_frames(), no_chance);
}

// One tracklet through every variant.
struct TrackletInput {
  std::vector<float> values;             // [variants, frames, channels, height, width]
  std::vector<datastore::Joint> joints;  // [variants, frames, kJointCount], if the format has them
};

// `row`: its row in the store.
TrackletInput tracklet_input(const TrackletStore& store, size_t row,
                             const std::vector<int32_t>& frames, const ClipFormat& format,
                             const std::vector<ClipTransform>& variants,
                             const datastore::OcclusionOptions& occlusion) {
  const datastore::StoredClip clip =
      datastore::read_clip(store, store.tracklets()[row], frames, format.flow, format.joints);
  const std::vector<datastore::PixelBox> boxes = datastore::occlusion_boxes(
      occlusion, static_cast<int32_t>(row), frames, clip.height, clip.width);
  const size_t clip_values = frames.size() * static_cast<size_t>(format.channels()) *
                             format.crop_height * format.crop_width;
  const size_t clip_joints = format.joints ? frames.size() * datastore::kJointCount : 0;
  TrackletInput input;
  input.values.resize(variants.size() * clip_values);
  input.joints.resize(variants.size() * clip_joints);
  for (size_t i = 0; i < variants.size(); ++i) {
    ClipTransform transform = variants[i];
    transform.boxes = boxes;
    datastore::apply_clip_transform(clip.view(), format, transform,
                                    input.values.data() + i * clip_values);
    if (format.joints) {
      datastore::apply_joint_transform(clip.view(), format, transform,
                                       input.joints.data() + i * clip_joints);
    }
  }
  return input;
}

std::unique_ptr<models::Model> load_model(const FinishedRun& run) {
  auto model = models::model_entry(run.experiment.model())
                   .create(run.experiment.model(), run.facts.identities, 0);
  models::load_parameters(model->parameters(), models::read_safetensors(run.weights).tensors,
                          run.weights.string());
  return model;
}

std::map<std::string, std::string> provenance_of(const ExtractionRequest& request,
                                                 const TrackletStore& store) {
  return {{"method", models::model_entry(request.run.experiment.model()).name},
          {"train_store", request.run.facts.train_store},
          {"test_store", request.store_name},
          {"train_synthetic", request.run.facts.synthetic ? "true" : "false"},
          {"test_synthetic", store.manifest().facts.synthetic ? "true" : "false"},
          {"train_store_sha256", request.run.facts.store_hash},
          {"test_store_sha256", datastore::manifest_hash(request.store_directory)},
          {"checkpoint", request.run.weights.string()},
          {"checkpoint_sha256", common::sha256_of_file(request.run.weights)},
          {"split", std::to_string(request.run.experiment.data().split())},
          {"protocol", request.protocol.empty()
                           ? datastore::default_protocol(store.manifest().facts.layout)
                           : request.protocol},
          {"metric", metric_name(request.run.experiment.scoring().metric())},
          {"commit", common::commit()}};
}

// Rows of the store.
std::vector<size_t> wanted_rows(const ExtractionRequest& request,
                                const std::vector<int32_t>& roles) {
  std::vector<size_t> wanted;
  for (size_t row = 0; row < roles.size(); ++row) {
    if ((roles[row] & request.roles) != 0) wanted.push_back(row);
  }
  if (wanted.empty()) {
    throw common::InputError(request.store_directory.string(),
                             "has no tracklet of the wanted roles under this protocol");
  }
  return wanted;
}

void require_content(const TrackletStore& store, const ClipFormat& format) {
  if (format.flow && store.manifest().geometry.flow_height == 0) {
    throw common::InputError(store.directory().string(),
                             "has no optical flow, the network needs it",
                             "ingest it with --flow lucas-kanade");
  }
  if (format.joints && !store.has_joints()) {
    throw common::InputError(store.directory().string(), "has no joints, the network needs them",
                             "ingest a dataset that has them, or annotate the store");
  }
}

}  // namespace

FeatureTable extract_features(const ExtractionRequest& request, common::ProgressSink& progress) {
  const std::unique_ptr<models::Model> model = load_model(request.run);
  const ClipFormat format =
      clip_format(model->input_format(), request.run.experiment.model().input());
  const std::vector<ClipTransform> variants = variants_of(request.extraction, format);
  const proto::Data& data = request.run.experiment.data();
  const TrackletStore store(request.store_directory, joint_source(data, format));
  const datastore::OcclusionOptions occlusion = occlusion_options(data);
  const std::vector<int32_t> roles =
      datastore::assign_roles(store, {request.protocol, data.split(), data.split_seed()});
  const std::vector<size_t> wanted = wanted_rows(request, roles);
  require_content(store, format);
  FeatureTable table;
  table.rows = static_cast<int64_t>(wanted.size());
  table.variants = static_cast<int64_t>(variants.size());
  table.facts = provenance_of(request, store);
  const auto communicator = create_single_communicator();
  CommunicatorStatisticsExchange statistics(*communicator);
  progress.begin("extracting " + request.store_name, "tracklets", table.rows);
  // Whole tracklets side by side, one core each: these networks are too small to share one
  // tracklet.
  datastore::ordered_parallel(
      wanted.size(), request.threads,
      [&](size_t i) {
        const at::NoGradGuard no_gradients;
        const StoredTracklet& tracklet = store.tracklets()[wanted[i]];
        const std::vector<int32_t> frames =
            test_frames(request.extraction, tracklet.length, roles[wanted[i]]);
        models::ForwardContext context;
        context.statistics = &statistics;
        const TrackletInput made =
            tracklet_input(store, wanted[i], frames, format, variants, occlusion);
        const auto length = static_cast<int64_t>(frames.size());
        models::ModelInput input =
            model_input(made.values, table.variants, length, format, at::kFloat);
        if (format.joints) {
          input.joints = joint_tensor(made.joints, table.variants, length, at::kFloat);
        }
        return model->forward(input, context).signature.at("features").contiguous();
      },
      [&](size_t i, const at::Tensor& features) {
        table.features = features.size(1);
        table.values.insert(table.values.end(), features.data_ptr<float>(),
                            features.data_ptr<float>() + features.numel());
        const StoredTracklet& tracklet = store.tracklets()[wanted[i]];
        table.identity.push_back(tracklet.identity);
        table.camera.push_back(tracklet.camera);
        table.role.push_back(roles[wanted[i]]);
        progress.advance(static_cast<int64_t>(i) + 1);
      });
  progress.end();
  return table;
}

}  // namespace muster::trainer
