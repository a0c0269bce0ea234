#include "models/losses/heat_map_loss.h"

#include <ATen/ATen.h>

#include "common/error.h"
#include "models/pose_network/heat_maps.h"

namespace muster::models {
namespace {

constexpr double kFoundWithin = 0.1;  // of the height

void add_joint_statistics(const at::Tensor& maps, const JointTargets& targets,
                          const at::Tensor& known, LossTerm& term) {
  const at::NoGradGuard no_gradients;
  const at::Tensor difference =
      decoded_joints(maps).narrow(-1, 0, 2) - targets.joints.narrow(-1, 0, 2);
  const at::Tensor distance = difference.square().sum(-1).sqrt().masked_fill(~known, 0);
  const double limit = kFoundWithin * static_cast<double>(maps.size(3));
  term.statistics["joint_error"] = distance.sum().item<double>() * targets.input_pixels;
  term.statistics["joint_pck"] = (distance.le(limit) & known).sum().item<double>();
}

}  // namespace

LossTerm heat_map_loss(const at::Tensor& maps, const JointTargets& targets) {
  MUSTER_REQUIRE(maps.dim(), ==, 5);
  MUSTER_REQUIRE(targets.joints.dim(), ==, 4);
  for (const int64_t axis : {0, 1, 2}) {
    MUSTER_REQUIRE(maps.size(axis), ==, targets.joints.size(axis));
  }
  const at::Tensor known = targets.joints.select(-1, 2).gt(0);
  const at::Tensor wanted =
      gaussian_maps(targets.joints, maps.size(3), maps.size(4), targets.deviation);
  LossTerm term;
  term.sum = (maps - wanted).square().mean({3, 4}).masked_fill(~known, 0).sum();
  term.count = known.sum().item<int64_t>();
  add_joint_statistics(maps, targets, known, term);
  return term;
}

}  // namespace muster::models
