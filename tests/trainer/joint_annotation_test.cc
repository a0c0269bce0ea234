#include "trainer/joint_annotation.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "common/error.h"
#include "datastore/annotation.h"
#include "datastore/clip_loader.h"
#include "tests/datastore/small_store.h"
#include "tests/models/support.h"
#include "tests/trainer/tiny_store.h"
#include "trainer/clip_tensors.h"
#include "trainer/feature_extraction.h"
#include "trainer/input_recipe.h"
#include "trainer/training_loop.h"

namespace muster::trainer {
namespace {

using common::contains;
using common::failure_text;
using common::InputError;

// Two steps of the smallest pose network on single frames.
proto::Experiment pose_experiment() {
  proto::Experiment experiment;
  proto::PoseNetwork& pose = *experiment.mutable_model()->mutable_pose_network();
  pose.set_width(0.0625);
  pose.set_input_size(32);
  pose.set_deconvolution_channels(4);
  proto::Training& training = *experiment.mutable_training();
  training.set_steps(2);
  training.mutable_batch()->set_sampler(proto::FRAMES);
  training.mutable_batch()->set_size(6);
  training.mutable_loss()->mutable_heat_map();
  return experiment;
}

class JointAnnotationTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = std::make_unique<common::TestDirectory>();
    datastore::FakeDataset dataset;
    for (int16_t camera = 1; camera <= 2; ++camera) {
      for (int32_t identity = 1; identity <= 4; ++identity) {
        dataset.add(identity, camera, identity == 2 ? 19 : 5);  // more than pass together
      }
    }
    dataset.call_layout("waves");
    datastore::build_store(dataset, *shared_ / "bare", datastore::without_flow());
    dataset.give_joints();
    datastore::build_store(dataset, *shared_ / "store", datastore::without_flow());
    trained(pose_experiment(), "run");
  }
  static void TearDownTestSuite() { shared_.reset(); }
  static void trained(const proto::Experiment& experiment, const std::string& run,
                      const std::string& store = "store") {
    common::SilentProgress progress;
    train({experiment, "waves", *shared_ / store, *shared_ / run}, *create_single_communicator(),
          progress);
  }
  static AnnotationRequest request(const std::string& name, const std::string& run = "run") {
    return {read_finished_run(*shared_ / run), *shared_ / "bare", name, false};
  }
  static AnnotationReport annotated(const AnnotationRequest& request) {
    common::SilentProgress progress;
    return annotate_store(request, progress);
  }
  static std::unique_ptr<common::TestDirectory> shared_;
};

std::unique_ptr<common::TestDirectory> JointAnnotationTest::shared_;

TEST_F(JointAnnotationTest, EveryFrameHasTheNetworksJointsInItsOwnPixels) {
  const AnnotationReport report = annotated(request("pose"));
  EXPECT_TRUE(report.written);
  EXPECT_EQ(report.frames, 2 * (19 + 3 * 5));
  const datastore::TrackletStore store(*shared_ / "bare", {true, "pose"});
  const FinishedRun run = read_finished_run(*shared_ / "run");
  const auto model = load_model(run);
  datastore::ClipFormat format = clip_format(model->input_format(), {});
  format.joints = false;
  for (const datastore::StoredTracklet& tracklet : store.tracklets()) {
    for (int32_t frame = 0; frame < tracklet.length; ++frame) {
      const datastore::StoredClip clip =
          datastore::read_clip(store, tracklet, {frame}, false, false);
      std::vector<float> values(3 * 32 * 32);
      datastore::apply_clip_transform(clip.view(), format, {}, values.data());
      const at::NoGradGuard no_gradients;
      const at::Tensor expected =
          model
              ->forward(model_input(values, 1, 1, format, at::kFloat), models::evaluation_context())
              .signature.at("joints")[0][0];
      const std::vector<datastore::Joint> found = store.read_joints(tracklet, frame);
      for (int64_t joint = 0; joint < datastore::kJointCount; ++joint) {
        const datastore::Joint& one = found[static_cast<size_t>(joint)];
        // Frames of 24x16 were seen as 32x32; whole numbers are centres of pixels.
        EXPECT_NEAR(one.x, (expected[joint][0].item<double>() + 0.5) * 16 / 32 - 0.5, 1e-3);
        EXPECT_NEAR(one.y, (expected[joint][1].item<double>() + 0.5) * 24 / 32 - 0.5, 1e-3);
        EXPECT_NEAR(one.confidence, expected[joint][2].item<double>(), 1e-4);
      }
    }
  }
}

TEST_F(JointAnnotationTest, SaysWhoFoundThem) {
  const AnnotationReport report = annotated(request("origin"));
  EXPECT_TRUE(contains(report.origin, "pose_network, trained 2 steps on waves (synthetic)"));
  EXPECT_TRUE(contains(report.origin, "SHA-256 ")) << report.origin;
  const datastore::Manifest manifest = datastore::read_manifest(*shared_ / "bare");
  bool told = false;
  for (const auto& summary : datastore::annotation_summaries(*shared_ / "bare", manifest.shards)) {
    told = told || (summary.name == "origin" && summary.origin == report.origin);
    EXPECT_EQ(summary.fault, "");
  }
  EXPECT_TRUE(told);
}

TEST_F(JointAnnotationTest, AskingTwiceDoesNothing) {
  annotated(request("twice"));
  const auto folder = *shared_ / "bare" / "annotations" / "twice";
  const auto before = std::filesystem::last_write_time(folder / "annotation.json");
  const AnnotationReport again = annotated(request("twice"));
  EXPECT_FALSE(again.written);
  EXPECT_EQ(std::filesystem::last_write_time(folder / "annotation.json"), before);
}

TEST_F(JointAnnotationTest, OtherWeightsUnderTheSameNameAreRefusedOrReplaceThem) {
  annotated(request("taken"));
  proto::Experiment other = pose_experiment();
  other.mutable_training()->set_seed(2);
  trained(other, "other");
  AnnotationRequest second = request("taken", "other");
  const std::string text = failure_text<InputError>([&] { annotated(second); });
  EXPECT_TRUE(contains(text, "annotation taken of ")) << text;
  EXPECT_TRUE(contains(text, "--replace")) << text;
  second.replace = true;
  const AnnotationReport report = annotated(second);
  EXPECT_TRUE(report.written);
  EXPECT_NE(report.origin, annotated(request("first-again")).origin);
  EXPECT_FALSE(annotated(second).written);
  const datastore::Manifest manifest = datastore::read_manifest(*shared_ / "bare");
  EXPECT_TRUE(datastore::verify_annotations(*shared_ / "bare", manifest.shards).empty());
  for (const auto& entry : std::filesystem::directory_iterator(*shared_ / "bare" / "annotations")) {
    EXPECT_NE(entry.path().filename().string().front(), '.') << entry.path();
  }
}

TEST_F(JointAnnotationTest, ADamagedOneIsReplacedWhenAskedTo) {
  annotated(request("damaged"));
  std::filesystem::remove(*shared_ / "bare" / "annotations" / "damaged" / "shard-00000.h5");
  AnnotationRequest again = request("damaged");
  EXPECT_TRUE(contains(failure_text<InputError>([&] { annotated(again); }), "is missing"));
  again.replace = true;
  EXPECT_TRUE(annotated(again).written);
}

TEST_F(JointAnnotationTest, NoByteOfTheStoreChanges) {
  const std::string before = datastore::manifest_hash(*shared_ / "bare");
  annotated(request("harmless"));
  EXPECT_EQ(datastore::manifest_hash(*shared_ / "bare"), before);
  EXPECT_TRUE(datastore::verify_store(*shared_ / "bare", datastore::VerifyDepth::kSha256).empty());
}

TEST_F(JointAnnotationTest, ANetworkThatFindsNoJointsIsRefused) {
  proto::Experiment experiment = tiny_experiment();
  experiment.mutable_model()->clear_network();
  experiment.mutable_model()->mutable_trl()->set_width(0.0625);
  experiment.mutable_model()->mutable_trl()->set_input_size(32);
  experiment.mutable_model()->mutable_trl()->set_frame_level(true);
  experiment.mutable_training()->clear_loss();
  experiment.mutable_training()->mutable_loss()->mutable_identity();
  experiment.mutable_training()->set_steps(0);
  trained(experiment, "trl");
  const std::string text = failure_text<InputError>([&] { annotated(request("pose", "trl")); });
  EXPECT_TRUE(contains(text, "network trl: finds no joints")) << text;
}

TEST_F(JointAnnotationTest, TheNetworkTrainsOnlyWhereThereAreJointsAndIsNeverExtracted) {
  const std::string text =
      failure_text<InputError>([] { trained(pose_experiment(), "refused", "bare"); });
  EXPECT_TRUE(contains(text, "joints")) << text;
  ExtractionRequest extraction;
  extraction.run = read_finished_run(*shared_ / "run");
  extraction.store_name = "waves";
  extraction.store_directory = *shared_ / "store";
  extraction.roles = datastore::kRoleQuery;
  common::SilentProgress progress;
  EXPECT_TRUE(contains(failure_text<InputError>([&] { extract_features(extraction, progress); }),
                       "network pose_network: tells nobody apart"));
}

}  // namespace
}  // namespace muster::trainer
