// The pose network as a Model: input, joints, settings. It compares nobody.
#include <ATen/ATen.h>

#include "common/error.h"
#include "models/backbones/bn_inception.h"
#include "models/model_catalog.h"
#include "models/network_model.h"
#include "models/pose_network/heat_maps.h"
#include "models/pose_network/network.h"
#include "models/setting_checks.h"

namespace muster::models {
namespace {

// `joints` [..., 3] at other places.
at::Tensor with_places(const at::Tensor& joints, const at::Tensor& places) {
  return at::cat({places, joints.narrow(-1, 2, 1)}, -1);
}

class PoseModel : public NetworkModel<Model> {
 public:
  PoseModel(std::shared_ptr<PoseNet> network, const proto::Model& options, uint64_t seed)
      : NetworkModel(network), network_(std::move(network)), options_(options) {
    network_->reset(seed);
  }
  InputFormat input_format() const override {
    InputFormat format =
        square_format(options_.pose_network().input_size(), InputColour::kRgb,
                      InputInterpolation::kBilinear, kImagenetMean, kImagenetDeviation);
    format.learns_joints = true;
    return format;
  }
  // Signature: "heat_maps" [clips, frames, 14, height / 4, width / 4] and, decoded from them
  // without gradient, "joints" [clips, frames, 14, 3]: x, y in input pixels, confidence in [0, 1].
  // Targets where the input has joints.
  ModelOutput forward(const ModelInput& input, const ForwardContext& context) override {
    const int64_t size = options_.pose_network().input_size();
    require_square_clips(input, size);
    const int64_t side = size / kHeatMapStride;
    const at::Tensor maps =
        network_->forward(input.clips.flatten(0, 1), context)
            .view({input.clips.size(0), input.clips.size(1), kPoseJoints, side, side});
    const at::Tensor found = decoded_joints(maps);
    ModelOutput output;
    output.signature["heat_maps"] = maps;
    output.signature["joints"] =
        with_places(found, enlarged_place(found.narrow(-1, 0, 2), kHeatMapStride));
    if (input.joints.defined()) output.targets = targets_of(input.joints);
    return output;
  }
  at::Tensor distance(const Signature&, const Signature&) const override {
    require_distance(options_);
    return {};  // not reached
  }
  bool scores(const std::string&) const override { return false; }

 private:
  // `joints` in input pixels.
  JointTargets targets_of(const at::Tensor& joints) const {
    return {with_places(joints, shrunken_place(joints.narrow(-1, 0, 2), kHeatMapStride)),
            options_.pose_network().heat_map_deviation(), static_cast<double>(kHeatMapStride)};
  }

  const std::shared_ptr<PoseNet> network_;
  const proto::Model options_;
};

void demand_of_pose_network(bool holds, const std::string& field, double value,
                            const std::string& range) {
  demand_setting(holds, "model.pose_network." + field, value, range);
}

void check_pose_network(const proto::PoseNetwork& pose) {
  demand_of_pose_network(pose.width() > 0 && pose.width() <= 16, "width", pose.width(),
                         "in (0, 16]");
  demand_of_pose_network(
      pose.input_size() >= 32 && pose.input_size() <= 2048 && pose.input_size() % 32 == 0,
      "input_size", pose.input_size(), "a multiple of 32 in 32 to 2048");
  demand_of_pose_network(
      pose.deconvolution_channels() > 0 && pose.deconvolution_channels() <= 65536,
      "deconvolution_channels", pose.deconvolution_channels(), "in 1 to 65536");
  // Thinner than a third of a pixel, a joint between pixels leaves no trace.
  demand_of_pose_network(pose.heat_map_deviation() >= 0.3 && pose.heat_map_deviation() <= 100,
                         "heat_map_deviation", pose.heat_map_deviation(), "in [0.3, 100]");
  constexpr int64_t kKernel = 4 * 4;
  const int64_t channels = pose.deconvolution_channels();
  demand_layer_size("model.pose_network", {"deconvolution_channels", "width"},
                    {kKernel, channels, BnInceptionBlock::channels_of("4b", pose.width())});
  demand_layer_size("model.pose_network", {"deconvolution_channels"},
                    {kKernel, channels, channels});
}

}  // namespace

std::unique_ptr<Model> create_pose_network(const proto::Model& options, int64_t /*identities*/,
                                           uint64_t seed) {
  check_pose_network(options.pose_network());
  return std::make_unique<PoseModel>(std::make_shared<PoseNet>(options.pose_network()), options,
                                     seed);
}

}  // namespace muster::models
