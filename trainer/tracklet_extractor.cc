#include "trainer/tracklet_extractor.h"

#include <ATen/ATen.h>

#include "common/canonical_message.h"
#include "common/error.h"
#include "common/sha256.h"
#include "common/version.h"
#include "datastore/protocol.h"
#include "models/model_catalog.h"
#include "trainer/batch_settings.h"
#include "trainer/clip_tensors.h"
#include "trainer/extraction_plan.h"
#include "trainer/input_recipe.h"
#include "trainer/scoring.h"

namespace muster::trainer {
namespace {

using datastore::ClipWindow;
using datastore::StoredTracklet;
using datastore::TrackletStore;

std::map<std::string, std::string> provenance_of(const ExtractionRequest& request,
                                                 const TrackletStore& store) {
  const std::string hash = datastore::manifest_hash(request.store_directory);
  const auto resolved = [&](const std::string& protocol) {
    return protocol.empty() ? datastore::default_protocol(store.manifest().facts.layout) : protocol;
  };
  std::map<std::string, std::string> facts = {
      {"method", models::model_entry(request.run.experiment.model()).name},
      {"train_store", request.run.facts.train_store},
      {"test_store", request.store_name},
      {"train_synthetic", request.run.facts.synthetic ? "true" : "false"},
      {"test_synthetic", store.manifest().facts.synthetic ? "true" : "false"},
      {"train_store_sha256", request.run.facts.store_hash},
      {"test_store_sha256", hash},
      {"checkpoint", request.run.weights.string()},
      {"checkpoint_sha256", common::sha256_of_file(request.run.weights)},
      {"split", std::to_string(request.run.experiment.data().split())},
      {"protocol", resolved(request.protocol)},
      {"extraction", common::canonical_text(request.extraction)},
      {"metric", metric_name(request.run.experiment.scoring().metric())},
      {"commit", common::commit()}};
  // data.protocol speaks of the training's own store alone.
  if (is_own_store(request.run, request.store_name, hash)) {
    facts["training_protocol"] = resolved(request.run.experiment.data().protocol());
  }
  return facts;
}

std::vector<int32_t> roles_of(const ExtractionRequest& request, const TrackletStore& store) {
  const proto::Data& data = request.run.experiment.data();
  return datastore::assign_roles(store, {request.protocol, data.split(), data.split_seed()});
}

}  // namespace

TrackletExtractor::TrackletExtractor(const ExtractionRequest& request)
    : request_(request),
      model_(load_model(request.run)),
      format_(clip_format(model_->input_format(), request.run.experiment.model().input())),
      store_(request.store_directory, joint_source(request.run.experiment.data(), format_)),
      windows_(windows_of(request.extraction, format_)),
      occlusion_(occlusion_options(request.run.experiment.data())),
      roles_(roles_of(request, store_)),
      communicator_(create_single_communicator()),
      statistics_(*communicator_) {
  datastore::require_readable(store_, format_);
  for (size_t row = 0; row < roles_.size(); ++row) {
    if ((roles_[row] & request.roles) != 0) wanted_.push_back(row);
  }
  if (wanted_.empty()) {
    throw common::InputError(request.store_directory.string(),
                             "has no tracklet of the wanted roles under this protocol");
  }
}

FeatureTable TrackletExtractor::empty_table() const {
  FeatureTable table;
  table.rows = static_cast<int64_t>(wanted_.size());
  table.variants = static_cast<int64_t>(windows_.size());
  table.facts = provenance_of(request_, store_);
  for (const size_t row : wanted_) {
    table.identity.push_back(store_.tracklets()[row].identity);
    table.camera.push_back(store_.tracklets()[row].camera);
    table.role.push_back(roles_[row]);
  }
  return table;
}

models::Signature TrackletExtractor::signature(size_t i) const {
  const at::NoGradGuard no_gradients;
  const StoredTracklet& tracklet = store_.tracklets()[wanted_[i]];
  const std::vector<int32_t> frames =
      test_frames(request_.extraction, tracklet.length, roles_[wanted_[i]]);
  models::ForwardContext context;
  context.statistics = &statistics_;
  const TrackletInput made = tracklet_input(wanted_[i], frames);
  const auto windows = static_cast<int64_t>(windows_.size());
  const auto length = static_cast<int64_t>(frames.size());
  models::ModelInput input = model_input(made.values, windows, length, format_, at::kFloat);
  if (format_.joints) input.joints = joint_tensor(made.joints, windows, length, at::kFloat);
  models::Signature signature;
  for (const auto& [name, value] : model_->forward(input, context).signature) {
    if (model_->scores(name)) signature[name] = value.contiguous();
  }
  MUSTER_REQUIRE(signature.empty(), ==, false);
  return signature;
}

TrackletExtractor::TrackletInput TrackletExtractor::tracklet_input(
    size_t row, const std::vector<int32_t>& frames) const {
  const datastore::StoredClip clip =
      datastore::read_clip(store_, store_.tracklets()[row], frames, format_.flow, format_.joints);
  const std::vector<datastore::PixelBox> boxes = datastore::occlusion_boxes(
      occlusion_, static_cast<int32_t>(row), frames, clip.height, clip.width);
  TrackletInput input;
  input.values.resize(windows_.size() * frames.size() * static_cast<size_t>(format_.channels()) *
                      format_.crop_height * format_.crop_width);
  datastore::cut_windows(clip.view(), format_, boxes, windows_, input.values.data());
  if (!format_.joints) return input;
  const size_t clip_joints = frames.size() * datastore::kJointCount;
  input.joints.resize(windows_.size() * clip_joints);
  for (size_t i = 0; i < windows_.size(); ++i) {
    const ClipWindow& window = windows_[i];
    datastore::apply_joint_transform(clip.view(), format_,
                                     {window.crop_y, window.crop_x, window.flip},
                                     input.joints.data() + i * clip_joints);
  }
  return input;
}

}  // namespace muster::trainer
