// Every network and every ablation row of the catalogue through one step of the trainer, at a small
// size, under the row's losses or every one that its output serves.
#include <ATen/ATen.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "common/error.h"
#include "models/model_catalog.h"
#include "models/safetensors.h"
#include "tests/common/support.h"
#include "tests/models/accepted_settings.h"
#include "tests/models/support.h"
#include "tests/trainer/tiny_store.h"
#include "trainer/run_directory.h"
#include "trainer/training_loop.h"

namespace muster::trainer {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr int32_t kFrames = 3;

// Waves with joints, for networks that look at some.
class WavesWithJoints : public WaveDataset {
 public:
  using WaveDataset::WaveDataset;
  std::vector<datastore::Joint> read_joints(size_t tracklet) const override {
    std::vector<datastore::Joint> joints;
    for (int64_t frame = 0; frame < tracklets()[tracklet].frames; ++frame) {
      for (int joint = 0; joint < datastore::kJointCount; ++joint) {
        const auto place = static_cast<float>(joint);
        joints.push_back({4 + std::fmod(place * 3, 8.0f), 1 + 1.5f * place, 1});
      }
    }
    return joints;
  }
};

Message& network_of(proto::Model& model) {
  const FieldDescriptor* chosen = model.GetReflection()->GetOneofFieldDescriptor(
      model, proto::Model::descriptor()->FindOneofByName("network"));
  return *model.GetReflection()->MutableMessage(&model, chosen);
}

// Fields that any network may have.
void make_small(Message& network) {
  for (int i = 0; i < network.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = network.GetDescriptor()->field(i);
    const std::string& name = field->name();
    if (name == "width") network.GetReflection()->SetDouble(&network, field, 0.0625);
    if (name == "frames") network.GetReflection()->SetInt32(&network, field, kFrames);
    const bool layer_size = name == "features" || name.find("hidden") != std::string::npos ||
                            name.find("channels") != std::string::npos ||
                            (name.find("_size") != std::string::npos && name != "input_size");
    // 0 stands for a layer that is not there.
    if (layer_size && network.GetReflection()->GetInt32(network, field) > 0) {
      network.GetReflection()->SetInt32(&network, field, 8);
    }
  }
}

// At the smallest of these inputs that the network takes.
std::unique_ptr<models::Model> smallest(const models::ModelEntry& entry, proto::Model& options) {
  Message& network = network_of(options);
  make_small(network);
  models::clear_fields_without_effect(options);
  const FieldDescriptor* field = network.GetDescriptor()->FindFieldByName("input_size");
  if (field == nullptr) return entry.create(options, 3, 1);
  for (const int32_t size : {32, 64, 67, 75, 96, 128, 160, 224, 227}) {
    network.GetReflection()->SetInt32(&network, field, size);
    try {
      return entry.create(options, 3, 1);
    } catch (const common::InputError&) {
    }
  }
  ADD_FAILURE() << entry.name << " takes none of the inputs";
  return nullptr;
}

models::ModelOutput output_of_no_clips(models::Model& model) {
  const models::InputFormat format = model.input_format();
  models::ModelInput input;
  input.clips = at::zeros({0, kFrames, 3, format.crop_height, format.crop_width});
  if (format.flow) input.flow = at::zeros({0, kFrames, 2, format.crop_height, format.crop_width});
  if (format.joints) input.joints = at::zeros({0, kFrames, datastore::kJointCount, 3});
  return model.forward(input, models::evaluation_context());
}

// Every loss that has what it wants, and a batch to suit them.
void choose_losses(models::Model& model, proto::Training& training) {
  const models::ModelOutput output = output_of_no_clips(model);
  const auto axes = [&](const std::string& name) {
    const auto found = output.signature.find(name);
    return found == output.signature.end() ? int64_t{0} : found->second.dim();
  };
  proto::Loss& loss = *training.mutable_loss();
  const auto add = [&](const char* term) {
    loss.GetReflection()->MutableMessage(&loss, loss.GetDescriptor()->FindFieldByName(term));
  };
  const bool attentive = axes("global") == 2 || axes("attention") == 2;
  if (!output.logits.empty()) add("identity");
  if (axes("features") == 2) add("video_triplet");
  if (axes("parts") == 3 && !attentive) add("part_triplet");
  if (attentive) add("attentive_triplet");
  if (axes("heat_maps") == 5) add("heat_map");
  const auto* pairs = dynamic_cast<models::PairModel*>(&model);
  if (pairs != nullptr && pairs->judges_pairs()) add("pair");
  proto::Batch& batch = *training.mutable_batch();
  batch.set_frames(kFrames);
  if (attentive) {
    batch.set_sampler(proto::TRIPLETS);
    batch.set_size(2);
  } else {
    batch.set_identities(2);
    batch.set_clips(2);
  }
}

class CatalogRowsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = std::make_unique<common::TestDirectory>();
    datastore::IngestOptions options;
    options.frame_height = 24;
    options.frame_width = 16;
    options.flow_height = 12;
    options.flow_width = 8;
    options.encoding = datastore::FrameEncoding::kRaw;
    common::SilentProgress progress;
    datastore::ingest(WavesWithJoints(6), *shared_ / "store", options, progress);
  }
  static void TearDownTestSuite() { shared_.reset(); }

  void train_one_step(const models::ModelEntry& entry, const models::AblationRow& row) {
    SCOPED_TRACE(entry.name + ", " + row.table + ", " + row.name);
    proto::Experiment experiment;
    ASSERT_TRUE(
        google::protobuf::TextFormat::ParseFromString(row.model, experiment.mutable_model()));
    const auto model = smallest(entry, *experiment.mutable_model());
    ASSERT_NE(model, nullptr);
    choose_losses(*model, *experiment.mutable_training());
    if (!row.loss.empty()) {
      ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
          row.loss, experiment.mutable_training()->mutable_loss()));
    }
    experiment.mutable_training()->set_steps(1);
    const auto run = directory_ / ("run-" + std::to_string(runs_++));
    train({experiment, "waves", *shared_ / "store", run}, *communicator_, progress_);
    const FinishedRun finished = read_finished_run(run);
    EXPECT_TRUE(std::isfinite(finished.loss));
    const auto trained = models::read_safetensors(finished.weights).tensors;
    // Initial weights are a function of the seed: what differs was trained.
    size_t moved = 0;
    for (const auto& [name, first] : model->parameters()) {
      const at::Tensor& last = trained.at(name);
      EXPECT_TRUE(last.isfinite().all().item<bool>()) << name;
      if (!models::same_values(first, last)) ++moved;
    }
    EXPECT_GT(2 * moved, model->parameters().size());  // a unit that never fires has no gradient
  }

  static std::unique_ptr<common::TestDirectory> shared_;
  common::TestDirectory directory_;
  std::unique_ptr<Communicator> communicator_ = create_single_communicator();
  common::RecordingProgress progress_;
  int runs_ = 0;
};

std::unique_ptr<common::TestDirectory> CatalogRowsTest::shared_;

TEST_F(CatalogRowsTest, EveryRowRunsATrainingStep) {
  for (const models::ModelEntry& entry : models::model_catalog()) {
    for (const models::AblationRow& row : entry.rows) train_one_step(entry, row);
  }
}

TEST_F(CatalogRowsTest, EveryNetworkRunsATrainingStep) {
  for (const models::ModelEntry& entry : models::model_catalog()) {
    train_one_step(entry, {"by itself", "without a table", entry.name + " { }"});
  }
}

}  // namespace
}  // namespace muster::trainer
